using System.Text;
using System.Text.Json.Nodes;
using DfPO.Models.Tokenizers;

namespace DfPO.Models.Chat;

/// <summary>The files of a checkpoint folder that hold chat templates.</summary>
public static class ChatTemplateFiles
{
    /// <summary>The usual template; it comes before one in <c>tokenizer_config.json</c>.</summary>
    public const string FileName = "chat_template.jinja";

    /// <summary>Folder of further templates, each named by its file.</summary>
    public const string FurtherFolder = "additional_chat_templates";

    private static readonly string[] s_specialTokens = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

    /// <summary>What a class in transformers takes for a special token that its configuration does not name.</summary>
    private static readonly Dictionary<string, Dictionary<string, string>> s_classDefaults = new()
    {
        ["LlamaTokenizer"] = new() { ["unk_token"] = "<unk>", ["bos_token"] = "<s>", ["eos_token"] = "</s>" },
        ["GPT2Tokenizer"] = new() { ["unk_token"] = "<|endoftext|>", ["bos_token"] = "<|endoftext|>", ["eos_token"] = "<|endoftext|>" },
        ["GPTNeoXTokenizer"] = new() { ["unk_token"] = "<|endoftext|>", ["bos_token"] = "<|endoftext|>", ["eos_token"] = "<|endoftext|>" },
        ["Qwen2Tokenizer"] = new() { ["unk_token"] = "<|endoftext|>", ["eos_token"] = "<|endoftext|>", ["pad_token"] = "<|endoftext|>" },
        ["GemmaTokenizer"] = new() { ["unk_token"] = "<unk>", ["bos_token"] = "<bos>", ["eos_token"] = "<eos>", ["pad_token"] = "<pad>" },
    };

    /// <summary>The templates of a folder; null when it has none.</summary>
    /// <exception cref="DfpoException"><c>config/...</c>: a file is broken.</exception>
    public static ChatTemplate? Find(string folder)
    {
        var path = Path.Combine(folder, "tokenizer_config.json");
        var config = File.Exists(path) ? HfConfigReader.ReadFile(path) : [];
        var templates = Templates(folder, config, path);
        return templates.Count == 0 ? null : new ChatTemplate(templates, SpecialTokens(folder, config, path), folder);
    }

    /// <summary>Copies the template files of a folder, if it has any; one in <c>tokenizer_config.json</c> goes with the tokenizer's files.</summary>
    public static void Copy(string source, string destination)
    {
        foreach (var file in Files(source))
        {
            var copy = Path.Combine(destination, Path.GetRelativePath(source, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy, overwrite: true);
        }
    }

    /// <summary>Whether a file of this name, relative to its folder, holds a template.</summary>
    public static bool IsOne(string name) =>
        name == FileName || (name.StartsWith(FurtherFolder + "/", StringComparison.Ordinal) && name.EndsWith(".jinja", StringComparison.Ordinal) && name.Count(c => c == '/') == 1);

    private static IEnumerable<string> Files(string folder)
    {
        var usual = Path.Combine(folder, FileName);
        if (File.Exists(usual))
            yield return usual;
        var further = Path.Combine(folder, FurtherFolder);
        foreach (var file in Directory.Exists(further) ? Directory.GetFiles(further, "*.jinja").Order(StringComparer.Ordinal) : Enumerable.Empty<string>())
            yield return file;
    }

    private static Dictionary<string, string> Templates(string folder, JsonObject config, string path)
    {
        var templates = Files(folder).ToDictionary(
            file => Path.GetFileName(file) == FileName && Path.GetDirectoryName(file) == folder.TrimEnd('/') ? "default" : Path.GetFileNameWithoutExtension(file),
            Read);
        if (templates.Count > 0 || config["chat_template"] is not { } given)
            return templates;
        DfpoException Wrong() => new("config/field", $"'{path}': field 'chat_template' must be a text, or a list of objects with name and template.");
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

    private static string Read(string path)
    {
        try
        {
            return new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true).GetString(TokenizerFiles.Read(path));
        }
        catch (DecoderFallbackException e)
        {
            throw new DfpoException("chat/template", $"'{path}' is not UTF-8: save the template again.", e);
        }
    }

    private static Dictionary<string, JsonNode?> SpecialTokens(string folder, JsonObject config, string path)
    {
        var mapPath = Path.Combine(folder, "special_tokens_map.json");
        var map = File.Exists(mapPath) ? HfConfigReader.ReadFile(mapPath) : [];
        var kind = new HfConfigReader(config, path).Text("tokenizer_class", "");
        var defaults = s_classDefaults.GetValueOrDefault(kind.EndsWith("Fast", StringComparison.Ordinal) ? kind[..^4] : kind);
        var tokens = new Dictionary<string, JsonNode?>();
        foreach (var field in s_specialTokens)
        {
            var text = config.ContainsKey(field) ? Text(config, field, path) : Text(map, field, mapPath) ?? defaults?.GetValueOrDefault(field);
            if (text is not null)
                tokens[field] = text;
        }
        if ((config["additional_special_tokens"] ?? map["additional_special_tokens"]) is JsonArray further)
            tokens["additional_special_tokens"] = new JsonArray([.. further.Select(token => (JsonNode?)(token is JsonObject item ? item["content"]?.ToString() : token?.ToString()))]);
        return tokens;
    }

    private static string? Text(JsonObject json, string field, string path) => json[field] switch
    {
        null => null,
        JsonObject token => new HfConfigReader(token, path).Text("content", ""),
        _ => new HfConfigReader(json, path).Text(field, ""),
    };
}
