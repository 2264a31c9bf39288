using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.ML.Tokenizers;

namespace DfPO.Models.Tokenizers;

/// <summary>Byte-level BPE of GPT-2 from a folder's <c>vocab.json</c> and <c>merges.txt</c>.</summary>
/// <remarks>
/// Text is never taken for a special token: <c>&lt;|endoftext|&gt;</c> in a prompt is encoded as the characters it is made of.
/// </remarks>
public sealed partial class Gpt2Tokenizer
{
    /// <summary>The token that ends a text.</summary>
    public const string EndOfText = "<|endoftext|>";

    private readonly BpeTokenizer _bpe;

    private Gpt2Tokenizer(BpeTokenizer bpe, string folder, int vocabularySize, int eosTokenId) =>
        (_bpe, Folder, VocabularySize, EosTokenId) = (bpe, folder, vocabularySize, eosTokenId);

    /// <summary>Where it was loaded from.</summary>
    public string Folder { get; }

    /// <summary>Number of tokens, the end of text included.</summary>
    public int VocabularySize { get; }

    /// <summary>Id of <see cref="EndOfText"/>; also used for padding, as GPT-2 has no padding token.</summary>
    public int EosTokenId { get; }

    /// <summary>Loads the tokenizer of a checkpoint folder.</summary>
    /// <exception cref="DfpoException"><c>tokenizer/missing</c> or <c>tokenizer/corrupt</c>.</exception>
    public static Gpt2Tokenizer Load(string folder)
    {
        string vocabulary = Path.Combine(folder, "vocab.json"), merges = Path.Combine(folder, "merges.txt");
        foreach (var file in new[] { vocabulary, merges })
            if (!File.Exists(file))
                throw new DfpoException("tokenizer/missing", $"'{file}' does not exist: a GPT-2 tokenizer is the two files vocab.json and merges.txt beside config.json.");
        try
        {
            var ids = JsonSerializer.Deserialize<Dictionary<string, int>>(File.ReadAllBytes(vocabulary)) ?? [];
            if (!ids.TryGetValue(EndOfText, out var eos))
                throw new DfpoException("tokenizer/corrupt", $"'{vocabulary}' has no token {EndOfText}.");
            if (!ids.Values.Order().SequenceEqual(Enumerable.Range(0, ids.Count)))
                throw new DfpoException("tokenizer/corrupt", $"'{vocabulary}': the ids must be 0 to {ids.Count - 1}, each once.");
            var options = new BpeOptions(ids)
            {
                Merges = File.ReadLines(merges).Where(line => line.Length > 0 && !line.StartsWith("#version", StringComparison.Ordinal)),
                ByteLevel = true,
                PreTokenizer = new RegexPreTokenizer(Pieces(), null),
            };
            return new Gpt2Tokenizer(BpeTokenizer.Create(options), folder, ids.Count, eos);
        }
        catch (Exception e) when (e is JsonException or ArgumentException or InvalidOperationException or FormatException or IndexOutOfRangeException)
        {
            throw new DfpoException("tokenizer/corrupt", $"The tokenizer in '{folder}' cannot be read ({e.Message}): vocab.json and merges.txt must belong together.", e);
        }
    }

    /// <summary>Refuses a model whose embedding is too small for these ids; one with spare rows is fine.</summary>
    /// <param name="embeddingRows">Rows of the model's embedding.</param>
    /// <exception cref="DfpoException"><c>tokenizer/mismatch</c>.</exception>
    public void CheckFits(int embeddingRows)
    {
        if (VocabularySize > embeddingRows)
            throw new DfpoException("tokenizer/mismatch",
                $"The tokenizer in '{Folder}' has {VocabularySize} tokens but the model's embedding has {embeddingRows} rows: take the tokenizer that the model was trained with.");
    }

    /// <inheritdoc cref="CheckFits(int)"/>
    public void CheckFits(CausalLM model) => CheckFits(model.VocabularySize);

    /// <summary>Token ids of a text, without special tokens.</summary>
    public int[] Encode(string text) => [.. _bpe.EncodeToIds(text)];

    /// <summary>The text of token ids; the end-of-text token reads as nothing.</summary>
    public string Decode(IEnumerable<int> ids) => _bpe.Decode(ids.Where(id => id != EosTokenId));

    // GPT-2's own pre-tokeniser: contractions, then letters, digits and other characters each with an optional space, then white space.
    [GeneratedRegex(@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")]
    private static partial Regex Pieces();
}
