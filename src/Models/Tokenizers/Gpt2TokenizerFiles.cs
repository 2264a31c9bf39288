using System.Text.Encodings.Web;
using System.Text.Json;

namespace DfPO.Models.Tokenizers;

/// <summary>The files of a GPT-2 tokenizer: cut to a smaller vocabulary.</summary>
public static class Gpt2TokenizerFiles
{
    private const int ByteTokens = 256;

    /// <summary>
    /// Keeps the 256 byte tokens and the first merges, which are the most frequent, so that no tokenizer has to be trained; the end of text
    /// becomes the last id.
    /// </summary>
    /// <param name="source">Folder of the whole tokenizer.</param>
    /// <param name="destination">Folder that receives the cut one.</param>
    /// <param name="vocabularySize">Tokens to keep, byte tokens and end of text included.</param>
    /// <exception cref="DfpoException"><c>tokenizer/size</c>: more than the source has, or too few to hold the bytes.</exception>
    public static void Cut(string source, string destination, int vocabularySize)
    {
        var full = Gpt2Tokenizer.Load(source);
        if (vocabularySize <= ByteTokens || vocabularySize > full.VocabularySize)
            throw new DfpoException("tokenizer/size", $"A vocabulary of {vocabularySize} cannot be cut from '{source}', which has {full.VocabularySize}: choose between {ByteTokens + 1} and {full.VocabularySize}.");
        var merges = File.ReadLines(Path.Combine(source, "merges.txt")).Where(line => line.Length > 0 && !line.StartsWith("#version", StringComparison.Ordinal))
            .Take(vocabularySize - ByteTokens - 1).ToArray();
        var ids = JsonSerializer.Deserialize<Dictionary<string, int>>(File.ReadAllBytes(Path.Combine(source, "vocab.json")))!;
        var kept = ids.Where(pair => pair.Value < vocabularySize - 1).OrderBy(pair => pair.Value).ToDictionary();
        kept[Gpt2Tokenizer.EndOfText] = vocabularySize - 1;
        Directory.CreateDirectory(destination);
        var relaxed = new JsonSerializerOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
        File.WriteAllText(Path.Combine(destination, "vocab.json"), JsonSerializer.Serialize(kept, relaxed) + "\n");
        File.WriteAllText(Path.Combine(destination, "merges.txt"), "#version: 0.2\n" + string.Join('\n', merges) + "\n");
    }
}
