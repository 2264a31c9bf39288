using System.Globalization;
using System.Text;
using System.Text.Json;
using DfPO.Models.Tokenizers.SentencePiece;
using Microsoft.ML.Tokenizers;
using PieceType = DfPO.Models.Tokenizers.SentencePiece.ModelProto.Types.SentencePiece.Types.Type;

namespace DfPO.Models.Tokenizers;

/// <summary>SentencePiece BPE with byte fallback of Llama, from a folder's <c>tokenizer.model</c>. An input is <c>&lt;s&gt; text</c>.</summary>
/// <remarks>The vocabulary that llama2.c writes out, a JSON list of pieces and scores in <c>tokens.json</c>, is read as well.</remarks>
public sealed class LlamaTokenizer : TextTokenizer
{
    internal const string FileName = "tokenizer.model";
    internal const string Llama2cFileName = "tokens.json";
    private const int ByteCount = 256;
    private readonly SentencePieceTokenizer _pieces;
    private readonly BpeSegmenter _segmenter;
    private readonly bool[] _special;
    private readonly byte[][] _texts;

    private LlamaTokenizer(string path, ModelProto model, SentencePieceTokenizer pieces) : base(Path.GetDirectoryName(path)!)
    {
        SentencePieceFile.RequireIn(path, model, "bos_id", model.TrainerSpec.BosId);
        (_pieces, EosTokenId) = (pieces, model.TrainerSpec.EosId);
        PadTokenId = model.TrainerSpec.PadId >= 0 && model.TrainerSpec.PadId < model.Pieces.Count ? model.TrainerSpec.PadId : EosTokenId;
        Prefix = [model.TrainerSpec.BosId];
        _special = [.. model.Pieces.Select(piece => piece.Type is PieceType.Control or PieceType.Unknown)];
        _texts = [.. model.Pieces.Select(piece => Bytes(path, piece))];
        _segmenter = new BpeSegmenter(model);
    }

    /// <inheritdoc/>
    public override int VocabularySize => _special.Length;

    /// <summary>Id of <c>&lt;/s&gt;</c>.</summary>
    public override int EosTokenId { get; }

    /// <summary>The model's padding token, or the end of text when it has none.</summary>
    public override int PadTokenId { get; }

    /// <inheritdoc/>
    protected override IReadOnlyList<int> Prefix { get; }

    /// <summary>Loads the tokenizer of a checkpoint folder.</summary>
    /// <exception cref="DfpoException"><c>tokenizer/missing</c> or <c>tokenizer/corrupt</c>.</exception>
    public static new LlamaTokenizer Load(string folder)
    {
        var path = Path.Combine(folder, FileName);
        if (File.Exists(path) || !File.Exists(Path.Combine(folder, Llama2cFileName)))
        {
            var model = SentencePieceFile.Read(path, TrainerSpec.Types.ModelType.Bpe);
            return new LlamaTokenizer(path, model, SentencePieceFile.Create(path, model));
        }
        path = Path.Combine(folder, Llama2cFileName);
        var converted = ReadLlama2c(path);
        return new LlamaTokenizer(path, converted, SentencePieceFile.Create(path, converted));
    }

    /// <inheritdoc/>
    public override string DecodeContinuation(IEnumerable<int> ids) =>
        Text(ids.Where(id => id >= 0 && id < VocabularySize && !IsSpecial(id)));

    /// <inheritdoc/>
    protected override bool IsSpecial(int id) => _special[id];

    /// <inheritdoc/>
    protected override int[] EncodeText(string text)
    {
        _pieces.EncodeToTokens(text, out var normalized);
        return _segmenter.Segment(normalized ?? text);
    }

    /// <inheritdoc/>
    protected override string DecodeText(IEnumerable<int> ids)
    {
        // The first word of a text carries a space that is not the text's.
        var text = Text(ids);
        return text.StartsWith(' ') ? text[1..] : text;
    }

    // Not by the library, which takes the space away from the first word even where bytes stand before it.
    private string Text(IEnumerable<int> ids) => Encoding.UTF8.GetString([.. ids.SelectMany(id => _texts[id])]);

    private static byte[] Bytes(string path, ModelProto.Types.SentencePiece piece)
    {
        if (piece.Type != PieceType.Byte)
            return Encoding.UTF8.GetBytes(piece.Piece.Replace('\u2581', ' '));
        return ByteOf(piece.Piece) is { } value
            ? [value]
            : throw TokenizerFiles.Corrupt(path, $"its byte piece is called '{piece.Piece}'");
    }

    /// <summary>The byte that a piece such as <c>&lt;0x0A&gt;</c> stands for.</summary>
    internal static byte? ByteOf(string piece) =>
        piece.Length == 6 && byte.TryParse(piece.AsSpan(3, 2), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var value) ? value : null;

    /// <summary>Unknown, begin and end come first, then the 256 bytes, then pieces with a score that falls with their rank.</summary>
    private static ModelProto ReadLlama2c(string path)
    {
        var model = new ModelProto
        {
            TrainerSpec = new TrainerSpec { ModelType = TrainerSpec.Types.ModelType.Bpe, ByteFallback = true, UnkId = 0, BosId = 1, EosId = 2, PadId = -1 },
            NormalizerSpec = new NormalizerSpec { Name = "identity", AddDummyPrefix = true, RemoveExtraWhitespaces = false, EscapeWhitespaces = true },
        };
        string[] special = ["<unk>", "<s>", "</s>"];
        try
        {
            using var document = JsonDocument.Parse(TokenizerFiles.Read(path));
            foreach (var (id, token) in document.RootElement.EnumerateArray().Index())
                model.Pieces.Add(new ModelProto.Types.SentencePiece
                {
                    Piece = id < special.Length ? special[id] : token[0].GetString()!.Replace(' ', '\u2581'),
                    Score = token[1].GetSingle(),
                    Type = id == 0 ? PieceType.Unknown : id < special.Length ? PieceType.Control : id < special.Length + ByteCount ? PieceType.Byte : PieceType.Normal,
                });
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or IndexOutOfRangeException or FormatException or NullReferenceException)
        {
            throw TokenizerFiles.Corrupt(path, $"it is not a list of pieces and scores ({e.Message})", e);
        }
        if (model.Pieces.Count <= special.Length + ByteCount)
            throw TokenizerFiles.Corrupt(path, $"it has {model.Pieces.Count} pieces and needs more than {special.Length + ByteCount}");
        return model;
    }
}
