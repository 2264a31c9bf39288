using DfPO.Models.Tokenizers.SentencePiece;
using PieceType = DfPO.Models.Tokenizers.SentencePiece.ModelProto.Types.SentencePiece.Types.Type;

namespace DfPO.Models.Tokenizers;

/// <summary>The likeliest segmentation of normalised text into unigram pieces, with the roundings and ties of SentencePiece's <c>EncodeOptimized</c>.</summary>
/// <remarks>
/// The library's own segmentation is right up to ties: where two have the same score, such as the same pieces in another order, float32 rounding
/// decides, and it rounds at other places. Source: Kudo 2018; SentencePiece 0.1.97.
/// </remarks>
internal sealed class UnigramSegmenter
{
    private const float UnknownPenalty = 10;
    private readonly Dictionary<string, (int Id, float Score)> _pieces = [];
    private readonly Dictionary<string, (int Id, float Score)>.AlternateLookup<ReadOnlySpan<char>> _find;
    private readonly int[] _lengths;
    private readonly int _unknown;
    private readonly float _unknownScore;

    public UnigramSegmenter(ModelProto model)
    {
        foreach (var (id, piece) in model.Pieces.Index())
            if (piece.Type is PieceType.Normal or PieceType.UserDefined)
                _pieces.TryAdd(piece.Piece, (id, piece.Score));
        _find = _pieces.GetAlternateLookup<ReadOnlySpan<char>>();
        _lengths = [.. _pieces.Keys.Select(piece => piece.Length).Distinct().Order()];
        _unknown = model.TrainerSpec.UnkId;
        _unknownScore = model.Pieces.Where(piece => piece.Type == PieceType.Normal).Select(piece => piece.Score).DefaultIfEmpty(0).Min() - UnknownPenalty;
    }

    /// <summary>Ids of the pieces; a character that is none is unknown, and so is a run of them.</summary>
    public int[] Segment(string text)
    {
        var ends = new Node[text.Length + 1];
        for (int start = 0, character; start < text.Length; start += character)
        {
            character = char.IsHighSurrogate(text[start]) && start + 1 < text.Length && char.IsLowSurrogate(text[start + 1]) ? 2 : 1;
            var here = ends[start].Score;
            var single = false;
            foreach (var length in _lengths)
            {
                if (start + length > text.Length)
                    break;
                if (!_find.TryGetValue(text.AsSpan(start, length), out var piece))
                    continue;
                // The sum is compared in float64, as in the original, and kept in float32.
                ends[start + length].Offer((double)piece.Score + here, start, piece.Id);
                single |= length == character;
            }
            if (!single)
                ends[start + character].Offer(_unknownScore + here, start, _unknown);
        }
        var ids = new List<int>();
        for (var end = text.Length; end > 0; end = ends[end].Start)
            if (ends[end].Id != _unknown || ids.Count == 0 || ids[^1] != _unknown)
                ids.Add(ends[end].Id);
        ids.Reverse();
        return [.. ids];
    }

    /// <summary>The best way to an end of a piece.</summary>
    private struct Node
    {
        private bool _reached;

        public float Score { get; private set; }
        public int Start { get; private set; }
        public int Id { get; private set; }

        public void Offer(double score, int start, int id)
        {
            if (!_reached || score > Score)
                (_reached, Score, Start, Id) = (true, (float)score, start, id);
        }
    }
}
