using System.Text;
using System.Text.Json;
using DfPO.Models.Chat;
using DfPO.Models.Checkpoints;
using DfPO.Models.Gguf;

namespace DfPO.Models.Tokenizers;

/// <summary>The files that make up tokenizers.</summary>
public static class TokenizerFiles
{
    /// <summary>More than any real vocabulary has; a file beyond it is not read.</summary>
    private const long MostBytes = 256L << 20;

    private static readonly string[] s_names =
    [
        TokenizerJson.FileName,
        TokenizerSettings.FileName,
        TokenizerSettings.MapName,
        "chat_template.jinja",
        .. VocabularyFiles.Names,
    ];

    internal static JsonSerializerOptions Strict { get; } = new() { AllowDuplicateProperties = false };

    /// <summary>Whether a file of this name belongs to a tokenizer.</summary>
    public static bool IsOne(string name) => s_names.Contains(name);

    /// <summary>
    /// Copies a folder's tokenizer files, whatever kind they are, and its chat templates; of a GGUF file the folder's files that say the
    /// same.
    /// </summary>
    /// <exception cref="DfpoException"><c>tokenizer/missing</c>: there are none.</exception>
    public static void Copy(string source, string destination)
    {
        ChatTemplateFiles.Copy(source, destination);
        if (GgufModel.Find(source) is { } gguf)
        {
            GgufModel.LoadTokenizer(gguf).Save(destination);
            return;
        }
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
        LfsPointer.Refuse(path);
        return FileLength.Of(path) <= MostBytes ? File.ReadAllBytes(path) : throw Corrupt(path, $"it is larger than {MostBytes} bytes");
    }

    /// <summary>A tokenizer file's text.</summary>
    internal static string ReadText(string path)
    {
        try
        {
            var bytes = Read(path).AsSpan();
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes.StartsWith("\uFEFF"u8) ? bytes[3..] : bytes);
        }
        catch (DecoderFallbackException e)
        {
            throw Corrupt(path, $"it is not UTF-8 ({e.Message})", e);
        }
    }

    internal static DfpoException Corrupt(string path, string why, Exception? inner = null) =>
        new("tokenizer/corrupt", $"The tokenizer in '{path}' cannot be used: {why}. Fetch its files again.", inner);

    /// <summary>Whether an exception of a reader or of encoding tells of broken files.</summary>
    internal static bool IsDefect(Exception e) =>
        e is not (DfpoException or OutOfMemoryException or IOException or UnauthorizedAccessException);
}
