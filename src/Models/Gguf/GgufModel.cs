using System.Text.Json.Nodes;
using DfPO.Models.Chat;
using DfPO.Models.Tokenizers;

namespace DfPO.Models.Gguf;

/// <summary>
/// A GGUF file in the place of a checkpoint folder: the file itself, or a folder that holds one and no <c>config.json</c>.
/// </summary>
public static class GgufModel
{
    /// <summary>What GGUF files' names end with.</summary>
    public const string Extension = ".gguf";

    /// <summary>The GGUF file that a path stands for; null when it stands for none.</summary>
    /// <exception cref="DfpoException"><c>gguf/several</c>: a folder with more than one.</exception>
    public static string? Find(string path)
    {
        if (path.EndsWith(Extension, StringComparison.OrdinalIgnoreCase) && File.Exists(path))
            return path;
        if (!Directory.Exists(path) || File.Exists(Path.Combine(path, "config.json")))
            return null;
        var files = Directory.GetFiles(path, "*" + Extension).Order(StringComparer.Ordinal).ToArray();
        return files.Length > 1
            ? throw new DfpoException(
                "gguf/several",
                $"'{path}' holds {files.Length} GGUF files: give the one that is meant, such as '{files[0]}'."
            )
            : files.FirstOrDefault();
    }

    /// <summary>The <c>config.json</c> that says what the file's metadata says.</summary>
    /// <exception cref="DfpoException">As <see cref="GgufFile.Read"/>, and <c>gguf/field</c>.</exception>
    public static JsonObject ReadConfig(string file)
    {
        var read = GgufFile.Read(file);
        return GgufConfig.Read(read, GgufFamilies.Of(read));
    }

    /// <summary>The tokenizer in the file's metadata.</summary>
    /// <exception cref="DfpoException">As <see cref="GgufFile.Read"/>, and <c>tokenizer/...</c>.</exception>
    public static TextTokenizer LoadTokenizer(string file) => TextTokenizer.Create(file, GgufVocabulary.Read(GgufFile.Read(file)));

    /// <summary>The chat templates in the file's metadata; null when there are none.</summary>
    public static ChatTemplate? FindChatTemplate(string file)
    {
        var metadata = GgufFile.Read(file).Metadata;
        var templates = new Dictionary<string, string>();
        foreach (
            var key in metadata.Keys.Where(key =>
                key == GgufVocabulary.TemplateKey || key.StartsWith(GgufVocabulary.TemplateKey + ".", StringComparison.Ordinal)
            )
        )
            templates[key == GgufVocabulary.TemplateKey ? "default" : key[(GgufVocabulary.TemplateKey.Length + 1)..]] = metadata.Text(key)!;
        if (templates.Count == 0)
            return null;
        if (
            templates.Keys.FirstOrDefault(name => name.Length == 0 || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-')) is
            { } strange
        )
            throw metadata.Wrong($"{GgufVocabulary.TemplateKey}.{strange}", "named by letters and digits");
        var tokens = metadata.Texts("tokenizer.ggml.tokens") ?? [];
        var special = GgufVocabulary
            .Roles(metadata)
            .Where(role => role.Id < tokens.Length)
            .ToDictionary(role => role.Role, role => (JsonNode?)tokens[role.Id]);
        return new ChatTemplate(templates, special, file);
    }
}
