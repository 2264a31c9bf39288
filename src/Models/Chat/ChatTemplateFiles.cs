using System.Text.Json.Nodes;
using DfPO.Models.Gguf;
using DfPO.Models.Tokenizers;

namespace DfPO.Models.Chat;

/// <summary>The files of a checkpoint folder that hold chat templates.</summary>
public static class ChatTemplateFiles
{
    /// <summary>The usual template; it comes before one in <c>tokenizer_config.json</c>.</summary>
    public const string FileName = "chat_template.jinja";

    /// <summary>Folder of further templates, each named by its file.</summary>
    public const string FurtherFolder = "additional_chat_templates";

    /// <summary>The templates of a folder; null when it has none.</summary>
    /// <exception cref="DfpoException"><c>config/...</c>: a file is broken.</exception>
    public static ChatTemplate? Find(string folder)
    {
        if (GgufModel.Find(folder) is { } gguf)
            return GgufModel.FindChatTemplate(gguf);
        var path = Path.Combine(folder, "tokenizer_config.json");
        var config = File.Exists(path) ? HfConfigReader.ReadFile(path) : [];
        var templates = Templates(folder, config, path);
        return templates.Count == 0 ? null : new ChatTemplate(templates, SpecialTokens(folder, config), folder);
    }

    /// <summary>
    /// Copies the template files of a folder, if it has any, or writes those of a GGUF file; one in <c>tokenizer_config.json</c> goes with
    /// the tokenizer's files.
    /// </summary>
    public static void Copy(string source, string destination)
    {
        if (GgufModel.Find(source) is { } gguf)
        {
            foreach (var (name, text) in GgufModel.FindChatTemplate(gguf)?.Templates ?? new Dictionary<string, string>())
            {
                var file = Path.Combine(destination, name == "default" ? FileName : $"{FurtherFolder}/{name}.jinja");
                Directory.CreateDirectory(Path.GetDirectoryName(file)!);
                File.WriteAllText(file, text);
            }
            return;
        }
        foreach (var file in Files(source))
        {
            var copy = Path.Combine(destination, Path.GetRelativePath(source, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy, overwrite: true);
        }
    }

    private static IEnumerable<string> Files(string folder)
    {
        var usual = Path.Combine(folder, FileName);
        if (File.Exists(usual))
            yield return usual;
        var further = Path.Combine(folder, FurtherFolder);
        foreach (
            var file in Directory.Exists(further)
                ? Directory.GetFiles(further, "*.jinja").Order(StringComparer.Ordinal)
                : Enumerable.Empty<string>()
        )
            yield return file;
    }

    private static Dictionary<string, string> Templates(string folder, JsonObject config, string path)
    {
        var templates = Files(folder)
            .ToDictionary(
                file =>
                    Path.GetFileName(file) == FileName && Path.GetDirectoryName(file) == folder.TrimEnd('/')
                        ? "default"
                        : Path.GetFileNameWithoutExtension(file),
                TokenizerFiles.ReadText
            );
        if (templates.Count > 0 || config["chat_template"] is not { } given)
            return templates;
        DfpoException Wrong() =>
            new("config/field", $"'{path}': field 'chat_template' must be a text, or a list of objects with name and template.");
        if (given is JsonValue value)
            return new() { ["default"] = value.TryGetValue<string>(out var text) ? text : throw Wrong() };
        foreach (var item in given as JsonArray ?? throw Wrong())
        {
            var fields = new HfConfigReader(item as JsonObject ?? throw Wrong(), path);
            if (!templates.TryAdd(fields.Text("name", ""), fields.Text("template", "")))
                throw Wrong();
        }
        return templates;
    }

    private static Dictionary<string, JsonNode?> SpecialTokens(string folder, JsonObject config)
    {
        var settings = TokenizerSettings.Read(folder);
        var tokens = new Dictionary<string, JsonNode?>();
        foreach (var role in TokenizerSettings.Names)
            // A token that the configuration sets to null is none, whatever its class would take.
            if ((!config.ContainsKey(role) || config[role] is not null) && settings.Named(role) is { } text)
                tokens[role] = text;
        if (config["additional_special_tokens"] is JsonArray further)
            tokens["additional_special_tokens"] = new JsonArray([
                .. further.Select(token => (JsonNode?)(token is JsonObject item ? item["content"]?.ToString() : token?.ToString())),
            ]);
        return tokens;
    }
}
