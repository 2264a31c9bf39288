using System.Text;
using Microsoft.ML.Tokenizers;

namespace DfPO.Models.Tokenizers;

/// <summary>WordPiece of BERT and DistilBERT from a folder's <c>vocab.txt</c>. An input is <c>[CLS] text [SEP]</c>.</summary>
/// <remarks>
/// <c>do_lower_case</c> (true when absent), <c>strip_accents</c> and <c>tokenize_chinese_chars</c> are read from <c>tokenizer_config.json</c>.
/// The library's own BERT loses half of the punctuation, does not strip accents here and cuts at other places than the original: only its
/// WordPiece is used.
/// </remarks>
public sealed class BertTokenizer : TextTokenizer
{
    /// <summary>One token a line; the line is the id.</summary>
    internal const string FileName = "vocab.txt";

    internal const string Unknown = "[UNK]";
    internal const int LongestWord = 100;
    private readonly WordPieceTokenizer _pieces;
    private readonly string[] _tokens;
    private readonly HashSet<int> _special;

    private BertTokenizer(string folder, string path, WordPieceTokenizer pieces, string[] tokens) : base(folder)
    {
        (_pieces, _tokens) = (pieces, tokens);
        int Id(string token) => Array.IndexOf(tokens, token) is >= 0 and var id ? id : throw TokenizerFiles.Corrupt(path, $"it has no token {token}");
        (PadTokenId, EosTokenId) = (Id("[PAD]"), Id("[SEP]"));
        (Prefix, Suffix) = ([Id("[CLS]")], [EosTokenId]);
        _special = [PadTokenId, EosTokenId, Prefix[0], Id(Unknown)];
    }

    /// <inheritdoc/>
    public override int VocabularySize => _tokens.Length;

    /// <summary>Id of <c>[SEP]</c>.</summary>
    public override int EosTokenId { get; }

    /// <summary>Id of <c>[PAD]</c>.</summary>
    public override int PadTokenId { get; }

    /// <inheritdoc/>
    protected override IReadOnlyList<int> Prefix { get; }

    /// <inheritdoc/>
    protected override IReadOnlyList<int> Suffix { get; }

    /// <summary>Loads the tokenizer of a checkpoint folder.</summary>
    /// <exception cref="DfpoException"><c>tokenizer/missing</c> or <c>tokenizer/corrupt</c>.</exception>
    public static new BertTokenizer Load(string folder)
    {
        var path = Path.Combine(folder, FileName);
        var config = TokenizerFiles.Config(folder);
        var lower = config.Flag("do_lower_case", true);
        string[] tokens;
        try
        {
            tokens = new UTF8Encoding(false, true).GetString(TokenizerFiles.Read(path)).ReplaceLineEndings("\n").TrimEnd('\n').Split('\n');
        }
        catch (DecoderFallbackException e)
        {
            throw TokenizerFiles.Corrupt(path, $"it is not a WordPiece vocabulary ({e.Message})", e);
        }
        return Create(folder, path, tokens, lower, config.Flag("strip_accents", lower), config.Flag("tokenize_chinese_chars", true));
    }

    /// <summary>The tokenizer of a vocabulary, one token an id.</summary>
    /// <param name="folder">Where it comes from.</param>
    /// <param name="path">The file, for errors.</param>
    /// <param name="tokens">By id.</param>
    /// <param name="lower">Whether letters become small.</param>
    /// <param name="stripAccents">Whether accents are dropped.</param>
    /// <param name="isolateChinese">Whether every Chinese character becomes a word.</param>
    internal static BertTokenizer Create(string folder, string path, string[] tokens, bool lower, bool stripAccents, bool isolateChinese)
    {
        try
        {
            if (tokens.GroupBy(token => token).FirstOrDefault(group => group.Count() > 1) is { Key: var twice })
                throw TokenizerFiles.Corrupt(path, $"token '{twice}' stands in two lines");
            var options = new WordPieceOptions
            {
                Normalizer = new BertNormalizer(lower, stripAccents, isolateChinese),
                PreTokenizer = new BertPreTokenizer(),
                UnknownToken = Unknown,
                MaxInputCharsPerWord = LongestWord,
            };
            using var stream = new MemoryStream(Encoding.UTF8.GetBytes(string.Join('\n', tokens)));
            return new BertTokenizer(folder, path, WordPieceTokenizer.Create(stream, options), tokens);
        }
        catch (Exception e) when (TokenizerFiles.IsDefect(e))
        {
            throw TokenizerFiles.Corrupt(path, $"it is not a WordPiece vocabulary ({e.Message})", e);
        }
    }

    /// <inheritdoc/>
    protected override bool IsSpecial(int id) => _special.Contains(id);

    /// <inheritdoc/>
    protected override int[] EncodeText(string text) => [.. _pieces.EncodeToIds(text)];

    /// <summary>Words with a space between them; what the normaliser dropped is gone.</summary>
    protected override string DecodeText(IEnumerable<int> ids)
    {
        var text = new StringBuilder();
        foreach (var token in ids.Select(id => _tokens[id]))
        {
            if (token.StartsWith("##", StringComparison.Ordinal))
                text.Append(token.AsSpan(2));
            else
                text.Append(text.Length > 0 ? " " : "").Append(token);
        }
        return text.ToString();
    }
}
