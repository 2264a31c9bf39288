using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.ML.Tokenizers;

namespace DfPO.Models.Tokenizers;

/// <summary>Byte-level BPE, which GPT-2 and RoBERTa share: a vocabulary, merges, and GPT-2's way of cutting a text into words.</summary>
internal sealed partial class ByteLevelBpe
{
    public const string VocabularyName = "vocab.json";
    public const string MergesName = "merges.txt";
    private readonly BpeTokenizer _bpe;
    private readonly Dictionary<string, int> _ids;
    private readonly string _folder;

    private ByteLevelBpe(string folder, BpeTokenizer bpe, Dictionary<string, int> ids) => (_folder, _bpe, _ids) = (folder, bpe, ids);

    /// <summary>Number of tokens.</summary>
    public int Size => _ids.Count;

    /// <summary>RoBERTa's tokenizer if the vocabulary has its special tokens, else GPT-2's.</summary>
    public static TextTokenizer LoadTokenizer(string folder)
    {
        var bpe = Load(folder);
        return RobertaTokenizer.SpecialTokens.All(bpe._ids.ContainsKey) ? new RobertaTokenizer(folder, bpe) : new Gpt2Tokenizer(folder, bpe);
    }

    /// <exception cref="DfpoException"><c>tokenizer/missing</c> or <c>tokenizer/corrupt</c>.</exception>
    public static ByteLevelBpe Load(string folder)
    {
        string vocabulary = Path.Combine(folder, VocabularyName), merges = Path.Combine(folder, MergesName);
        foreach (var file in new[] { vocabulary, merges })
            if (!File.Exists(file))
                throw new DfpoException("tokenizer/missing", $"'{file}' does not exist: a byte-level BPE tokenizer is the two files {VocabularyName} and {MergesName} beside config.json.");
        try
        {
            var ids = JsonSerializer.Deserialize<Dictionary<string, int>>(TokenizerFiles.Read(vocabulary)) ?? [];
            if (!ids.Values.Order().SequenceEqual(Enumerable.Range(0, ids.Count)))
                throw TokenizerFiles.Corrupt(vocabulary, $"the ids must be 0 to {ids.Count - 1}, each once");
            var options = new BpeOptions(ids)
            {
                Merges = File.ReadLines(merges).Where(line => line.Length > 0 && !line.StartsWith("#version", StringComparison.Ordinal)),
                ByteLevel = true,
                PreTokenizer = new RegexPreTokenizer(Pieces(), null),
            };
            return new ByteLevelBpe(folder, BpeTokenizer.Create(options), ids);
        }
        catch (Exception e) when (TokenizerFiles.IsDefect(e))
        {
            throw TokenizerFiles.Corrupt(folder, $"{VocabularyName} and {MergesName} must belong together ({e.Message})", e);
        }
    }

    /// <summary>Id of a special token.</summary>
    /// <exception cref="DfpoException"><c>tokenizer/corrupt</c>.</exception>
    public int Id(string token) => _ids.TryGetValue(token, out var id)
        ? id
        : throw TokenizerFiles.Corrupt(Path.Combine(_folder, VocabularyName), $"it has no token {token}");

    public int[] Encode(string text) => [.. _bpe.EncodeToIds(text)];

    public string Decode(IEnumerable<int> ids) => _bpe.Decode(ids);

    // GPT-2's own pre-tokeniser: contractions, then letters, digits and other characters each with an optional space, then white space.
    [GeneratedRegex(@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")]
    private static partial Regex Pieces();
}
