using System.Text.Encodings.Web;
using System.Text.Json;

namespace DfPO.Models.Tokenizers;

/// <summary>The files of a GPT-2 tokenizer: cut to a smaller vocabulary.</summary>
public static class Gpt2TokenizerFiles
{
    /// <summary>The token that ends a text.</summary>
    public const string EndOfText = "<|endoftext|>";

    private const int ByteTokens = 256;

    /// <summary>
    /// Keeps the 256 byte tokens and the first merges, which are the most frequent, so that no tokenizer has to be trained; the end of text
    /// becomes the last id.
    /// </summary>
    /// <param name="source">Folder of the whole tokenizer.</param>
    /// <param name="destination">Folder that receives the cut one.</param>
    /// <param name="vocabularySize">Tokens to keep, byte tokens and end of text included.</param>
    /// <exception cref="DfpoException"><c>tokenizer/size</c>: more than the source has, or too few to hold the bytes.
    /// <c>tokenizer/unsupported</c>: it cuts texts in a way of its own.</exception>
    public static void Cut(string source, string destination, int vocabularySize)
    {
        var full = TextTokenizer.Load(source);
        RequirePlain(Path.Combine(source, TokenizerJson.FileName));
        if (vocabularySize <= ByteTokens || vocabularySize > full.VocabularySize)
            throw new DfpoException(
                "tokenizer/size",
                $"A vocabulary of {vocabularySize} cannot be cut from '{source}', which has {full.VocabularySize}: choose between {ByteTokens + 1} and {full.VocabularySize}."
            );
        var merges = File.ReadLines(Path.Combine(source, "merges.txt"))
            .Where(line => line.Length > 0 && !line.StartsWith("#version", StringComparison.Ordinal))
            .Take(vocabularySize - ByteTokens - 1)
            .ToArray();
        var ids = JsonSerializer.Deserialize<Dictionary<string, int>>(File.ReadAllBytes(Path.Combine(source, "vocab.json")))!;
        var kept = ids.Where(pair => pair.Value < vocabularySize - 1).OrderBy(pair => pair.Value).ToDictionary();
        kept[EndOfText] = vocabularySize - 1;
        Directory.CreateDirectory(destination);
        var relaxed = new JsonSerializerOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
        File.WriteAllText(Path.Combine(destination, "vocab.json"), JsonSerializer.Serialize(kept, relaxed) + "\n");
        File.WriteAllText(Path.Combine(destination, "merges.txt"), "#version: 0.2\n" + string.Join('\n', merges) + "\n");
    }

    /// <summary>The files that are written know GPT-2's own way alone.</summary>
    private static void RequirePlain(string path)
    {
        if (!File.Exists(path))
            return;
        using var document = JsonDocument.Parse(TokenizerFiles.Read(path));
        var file = new JsonField(path, "", document.RootElement);
        var step = file["pre_tokenizer"];
        file["normalizer"].Require(file["normalizer"].IsAbsent, "absent for a vocabulary that is to be cut");
        step.Require(
            step.Kind == "ByteLevel" && !step["add_prefix_space"].Flag(true) && step["use_regex"].Flag(true),
            "GPT-2's ByteLevel for a vocabulary that is to be cut"
        );
    }
}
