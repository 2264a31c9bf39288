using System.Text;
using System.Text.RegularExpressions;
using DfPO.Models.Tokenizers.SentencePiece;
using Microsoft.ML.Tokenizers;

namespace DfPO.Models.Tokenizers;

/// <summary>SentencePiece unigram of T5 from a folder's <c>spiece.model</c>. An input is <c>text &lt;/s&gt;</c>.</summary>
/// <remarks>
/// The library normalises; the pieces are chosen by <see cref="UnigramSegmenter"/>. The sentinels <c>&lt;extra_id_0&gt;</c>, ... follow the pieces, the first one last. They are read from text, which is the only way to ask
/// for them. Source: Raffel et al. 2020; as HF's <c>T5Tokenizer</c>.
/// </remarks>
public sealed partial class T5Tokenizer : TextTokenizer
{
    internal const string FileName = "spiece.model";
    private readonly SentencePieceTokenizer _pieces;
    private readonly HashSet<int> _special;
    private readonly int _pieceCount;
    private readonly UnigramSegmenter _segmenter;
    private readonly bool _drops;

    private T5Tokenizer(string folder, ModelProto model, SentencePieceTokenizer pieces, int extraIds) : base(folder)
    {
        (_pieces, _pieceCount, ExtraIds) = (pieces, model.Pieces.Count, extraIds);
        (EosTokenId, PadTokenId, _segmenter) = (model.TrainerSpec.EosId, model.TrainerSpec.PadId, new UnigramSegmenter(model));
        _special = [EosTokenId, PadTokenId, model.TrainerSpec.UnkId];
        Suffix = [EosTokenId];
        _drops = model.NormalizerSpec.Name.StartsWith("nmt", StringComparison.Ordinal);
    }

    /// <summary>Number of sentinels.</summary>
    public int ExtraIds { get; }

    /// <inheritdoc/>
    public override int VocabularySize => _pieceCount + ExtraIds;

    /// <summary>Id of <c>&lt;/s&gt;</c>.</summary>
    public override int EosTokenId { get; }

    /// <summary>Id of <c>&lt;pad&gt;</c>, which also starts the decoder.</summary>
    public override int PadTokenId { get; }

    /// <inheritdoc/>
    protected override IReadOnlyList<int> Suffix { get; }

    /// <summary>Loads the tokenizer of a checkpoint folder.</summary>
    /// <exception cref="DfpoException"><c>tokenizer/missing</c> or <c>tokenizer/corrupt</c>.</exception>
    public static new T5Tokenizer Load(string folder)
    {
        var path = Path.Combine(folder, FileName);
        var model = SentencePieceFile.Read(path, TrainerSpec.Types.ModelType.Unigram);
        var extraIds = TokenizerFiles.Config(folder).OptionalInt("extra_ids") ?? 100;
        if (extraIds is < 0 or > 1_000_000)
            throw TokenizerFiles.Corrupt(folder, $"extra_ids is {extraIds}");
        return Create(folder, path, model, extraIds);
    }

    /// <summary>The tokenizer of a checked model, whose file is named in errors, and so many sentinels.</summary>
    internal static T5Tokenizer Create(string folder, string path, ModelProto model, int extraIds)
    {
        SentencePieceFile.RequireIn(path, model, "pad_id", model.TrainerSpec.PadId);
        return new T5Tokenizer(folder, model, SentencePieceFile.Create(path, model), extraIds);
    }

    /// <summary>Whether a token is a sentinel.</summary>
    internal static bool IsSentinel(string token) => Sentinel().Match(token) is { Success: true } match && match.Length == token.Length;

    /// <summary>Id of a sentinel.</summary>
    /// <param name="number">0 to <see cref="ExtraIds"/> - 1.</param>
    public int ExtraId(int number)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(number);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(number, ExtraIds);
        return VocabularySize - 1 - number;
    }

    /// <inheritdoc/>
    protected override bool IsSpecial(int id) => id >= _pieceCount || _special.Contains(id);

    /// <inheritdoc/>
    protected override int[] EncodeText(string text)
    {
        var ids = new List<int>();
        var start = 0;
        foreach (Match sentinel in Sentinel().Matches(text))
            if (int.TryParse(sentinel.Groups[1].ValueSpan, out var number) && number < ExtraIds)
            {
                AppendPieces(ids, text[start..sentinel.Index]);
                ids.Add(ExtraId(number));
                start = sentinel.Index + sentinel.Length;
            }
        AppendPieces(ids, text[start..]);
        return [.. ids];
    }

    /// <inheritdoc/>
    protected override string DecodeText(IEnumerable<int> ids) => _pieces.Decode(ids);

    private void AppendPieces(List<int> ids, string text)
    {
        _pieces.EncodeToTokens(_drops ? Removed().Replace(text, "") : text, out var normalized);
        ids.AddRange(_segmenter.Segment(normalized ?? text));
    }

    [GeneratedRegex(@"<extra_id_(\d{1,9})>")]
    private static partial Regex Sentinel();

    // Characters that SentencePiece's nmt rules map to nothing, which the library does not do.
    [GeneratedRegex(@"[\u0001-\u0008\u000B\u000E-\u001F\u007F\u008F\u009F]")]
    private static partial Regex Removed();
}
