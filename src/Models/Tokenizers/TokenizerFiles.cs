using System.Text.Json.Nodes;
using DfPO.Models.Checkpoints;

namespace DfPO.Models.Tokenizers;

/// <summary>The files that make up tokenizers.</summary>
public static class TokenizerFiles
{
    /// <summary>More than any real vocabulary has; a file beyond it is not read.</summary>
    private const long MostBytes = 256L << 20;

    private static readonly string[] s_names =
    [
        ByteLevelBpe.VocabularyName, ByteLevelBpe.MergesName, BertTokenizer.FileName, T5Tokenizer.FileName, LlamaTokenizer.FileName, LlamaTokenizer.Llama2cFileName,
        TokenizerJson.FileName, "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    ];

    /// <summary>Whether a file of this name belongs to a tokenizer.</summary>
    public static bool IsOne(string name) => s_names.Contains(name);

    /// <summary>Copies a folder's tokenizer files, whatever kind they are.</summary>
    /// <exception cref="DfpoException"><c>tokenizer/missing</c>: there are none.</exception>
    public static void Copy(string source, string destination)
    {
        var present = s_names.Where(name => File.Exists(Path.Combine(source, name))).ToArray();
        if (present.Length == 0)
            throw new DfpoException("tokenizer/missing", $"'{source}' holds no tokenizer to copy.");
        Directory.CreateDirectory(destination);
        foreach (var name in present)
            File.Copy(Path.Combine(source, name), Path.Combine(destination, name), overwrite: true);
    }

    /// <summary>A tokenizer file's bytes.</summary>
    internal static byte[] Read(string path)
    {
        if (!File.Exists(path))
            throw new DfpoException("tokenizer/missing", $"'{path}' does not exist: copy it from where the checkpoint came from.");
        return FileLength.Of(path) <= MostBytes ? File.ReadAllBytes(path) : throw Corrupt(path, $"it is larger than {MostBytes} bytes");
    }

    /// <summary>The object in <c>tokenizer_config.json</c>; empty when there is no such file.</summary>
    internal static HfConfigReader Config(string folder)
    {
        var path = Path.Combine(folder, "tokenizer_config.json");
        return new HfConfigReader(File.Exists(path) ? HfConfigReader.ReadFile(path) : new JsonObject(), path);
    }

    /// <summary>The text of a special token, such as <c>eos_token</c>, from <c>tokenizer_config.json</c> or <c>special_tokens_map.json</c>; null when neither names it.</summary>
    internal static string? SpecialToken(string folder, string field)
    {
        foreach (var path in new[] { "tokenizer_config.json", "special_tokens_map.json" }.Select(name => Path.Combine(folder, name)).Where(File.Exists))
        {
            var json = HfConfigReader.ReadFile(path);
            var reader = new HfConfigReader(json, path);
            var text = json[field] is JsonObject ? reader.Section(field)!.Text("content", "") : reader.Text(field, "");
            if (text.Length > 0)
                return text;
        }
        return null;
    }

    internal static DfpoException Corrupt(string path, string why, Exception? inner = null) =>
        new("tokenizer/corrupt", $"The tokenizer in '{path}' cannot be used: {why}. Fetch its files again.", inner);

    /// <summary>Whether an exception of the tokenizer library tells of broken files; it documents none.</summary>
    internal static bool IsDefect(Exception e) => e is not (DfpoException or OutOfMemoryException or IOException or UnauthorizedAccessException);
}
