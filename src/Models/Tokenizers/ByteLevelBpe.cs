using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.ML.Tokenizers;

namespace DfPO.Models.Tokenizers;

/// <summary>Byte-level BPE, which GPT-2, RoBERTa and Llama 3 share: a vocabulary, merges, and a way of cutting a text into pieces.</summary>
internal sealed partial class ByteLevelBpe
{
    public const string VocabularyName = "vocab.json";
    public const string MergesName = "merges.txt";
    private static readonly string s_bytes = ByteCharacters();
    private readonly BpeTokenizer _bpe;
    private readonly IReadOnlyDictionary<string, int> _vocabulary;
    private readonly IReadOnlyDictionary<string, int> _ids;
    private readonly string _path;
    private readonly SplitPreTokenizer? _wholePieces;

    private ByteLevelBpe(string path, BpeTokenizer bpe, IReadOnlyDictionary<string, int> vocabulary, IReadOnlyDictionary<string, int> ids, SplitPreTokenizer? wholePieces) =>
        (_path, _bpe, _vocabulary, _ids, _wholePieces) = (path, bpe, vocabulary, ids, wholePieces);

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
            return Create(vocabulary, ids, File.ReadLines(merges).Where(line => line.Length > 0 && !line.StartsWith("#version", StringComparison.Ordinal)), ids);
        }
        catch (Exception e) when (TokenizerFiles.IsDefect(e))
        {
            throw TokenizerFiles.Corrupt(folder, $"{VocabularyName} and {MergesName} must belong together ({e.Message})", e);
        }
    }

    /// <summary>The tokenizer of given tokens and merges.</summary>
    /// <param name="path">The vocabulary's file, for errors.</param>
    /// <param name="vocabulary">The tokens that text becomes, with their ids.</param>
    /// <param name="merges">Pairs with a blank between them, the first to be merged first.</param>
    /// <param name="ids">All tokens, special ones included.</param>
    /// <param name="pieces">Cuts a text; GPT-2's way when null.</param>
    /// <param name="wholePieces">Whether a piece that is a token is taken as it is, whatever the merges say.</param>
    public static ByteLevelBpe Create(string path, Dictionary<string, int> vocabulary, IEnumerable<string> merges, IReadOnlyDictionary<string, int> ids, Regex? pieces = null, bool wholePieces = false)
    {
        var split = new SplitPreTokenizer(pieces ?? Pieces());
        var bpe = BpeTokenizer.Create(new BpeOptions(vocabulary) { Merges = merges, ByteLevel = true, PreTokenizer = wholePieces ? new SplitPreTokenizer(Everything()) : split });
        return new ByteLevelBpe(path, bpe, vocabulary, ids, wholePieces ? split : null);
    }

    /// <summary>Id of a special token.</summary>
    /// <exception cref="DfpoException"><c>tokenizer/corrupt</c>.</exception>
    public int Id(string token) => _ids.TryGetValue(token, out var id)
        ? id
        : throw TokenizerFiles.Corrupt(_path, $"it has no token {token}");

    /// <summary>A byte that is no token; null for none.</summary>
    public int? MissingByte() => Enumerable.Range(0, s_bytes.Length).Cast<int?>().FirstOrDefault(value => !_vocabulary.ContainsKey(s_bytes[value!.Value].ToString()));

    public int[] Encode(string text) => _wholePieces is null ? [.. _bpe.EncodeToIds(text)] : [.. _wholePieces.PreTokenize(text).SelectMany(piece => Whole(text.Substring(piece.Offset, piece.Length)))];

    public string Decode(IEnumerable<int> ids) => _bpe.Decode(ids);

    private IEnumerable<int> Whole(string piece) =>
        _vocabulary.TryGetValue(string.Concat(Encoding.UTF8.GetBytes(piece).Select(value => s_bytes[value])), out var id) ? [id] : _bpe.EncodeToIds(piece);

    /// <summary>The character that stands for each byte in a vocabulary: itself where it is visible, else the next one from 256 on.</summary>
    private static string ByteCharacters()
    {
        var next = 256;
        return string.Concat(Enumerable.Range(0, 256).Select(value => value is (> 32 and < 127) or (> 160 and < 173) or > 173 ? (char)value : (char)next++));
    }

    // GPT-2's own pre-tokeniser: contractions, then letters, digits and other characters each with an optional space, then white space.
    [GeneratedRegex(@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")]
    private static partial Regex Pieces();

    // Given no way of cutting, the library has one of its own.
    [GeneratedRegex("(?s).+")]
    private static partial Regex Everything();
}
