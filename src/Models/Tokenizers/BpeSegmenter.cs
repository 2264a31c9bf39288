using System.Text;
using DfPO.Models.Tokenizers.SentencePiece;
using PieceType = DfPO.Models.Tokenizers.SentencePiece.ModelProto.Types.SentencePiece.Types.Type;

namespace DfPO.Models.Tokenizers;

/// <summary>Merges the characters of normalised text pair by pair, the best score first and among equals the leftmost, as SentencePiece does.</summary>
/// <remarks>The library's own merging is right up to that: of equal pairs, such as those of <c>ooo</c>, it may take another. Source: SentencePiece 0.1.97.</remarks>
internal sealed class BpeSegmenter
{
    private readonly Dictionary<string, (int Id, float Score)> _pieces = [];
    private readonly Dictionary<string, (int Id, float Score)>.AlternateLookup<ReadOnlySpan<char>> _find;
    private readonly int[] _bytes = new int[256];
    private readonly int _unknown;

    public BpeSegmenter(ModelProto model)
    {
        _unknown = model.TrainerSpec.UnkId;
        Array.Fill(_bytes, _unknown);
        foreach (var (id, piece) in model.Pieces.Index())
            if (piece.Type is PieceType.Normal or PieceType.UserDefined)
                _pieces.TryAdd(piece.Piece, (id, piece.Score));
            else if (piece.Type == PieceType.Byte)
                _bytes[LlamaTokenizer.ByteOf(piece.Piece) ?? 0] = id;
        _find = _pieces.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    /// <summary>Ids of the pieces; a character that is none becomes its UTF-8 bytes.</summary>
    public int[] Segment(string text)
    {
        // A symbol is known by its first character: size[i] is its length, or 0 once it has been merged away.
        int[] size = new int[text.Length], previous = new int[text.Length + 1];
        var first = -1;
        for (var at = 0; at < text.Length; at += size[at])
        {
            size[at] = Rune.TryGetRuneAt(text, at, out var rune) ? rune.Utf16SequenceLength : 1;
            (previous[at], first) = (first, at);
        }
        previous[text.Length] = first;
        var agenda = new PriorityQueue<(int Left, int Right, int Length), (float Score, int Left)>(Order.Instance);
        for (var at = 0; at < text.Length; at += size[at])
            Offer(at, at + size[at]);
        while (agenda.TryDequeue(out var pair, out _))
        {
            // One of the two has been merged with another since.
            if (size[pair.Left] == 0 || pair.Left + size[pair.Left] != pair.Right || size[pair.Left] + size[pair.Right] != pair.Length)
                continue;
            (size[pair.Left], size[pair.Right]) = (pair.Length, 0);
            var after = pair.Left + pair.Length;
            previous[after] = pair.Left;
            Offer(pair.Left, after);
            if (previous[pair.Left] >= 0)
                Offer(previous[pair.Left], pair.Left);
        }
        var ids = new List<int>();
        for (var at = 0; at < text.Length; at += size[at])
            Append(ids, text.AsSpan(at, size[at]));
        return [.. ids];

        void Offer(int left, int right)
        {
            if (right < text.Length && right + size[right] - left is var length && _find.TryGetValue(text.AsSpan(left, length), out var piece))
                agenda.Enqueue((left, right, length), (piece.Score, left));
        }
    }

    private void Append(List<int> ids, ReadOnlySpan<char> symbol)
    {
        if (_find.TryGetValue(symbol, out var piece))
        {
            ids.Add(piece.Id);
            return;
        }
        Span<byte> utf8 = stackalloc byte[4];
        foreach (var value in utf8[..Encoding.UTF8.GetBytes(symbol, utf8)])
            if (_bytes[value] != _unknown || ids.Count == 0 || ids[^1] != _unknown)
                ids.Add(_bytes[value]);
    }

    private sealed class Order : IComparer<(float Score, int Left)>
    {
        public static readonly Order Instance = new();

        public int Compare((float Score, int Left) a, (float Score, int Left) b) => a.Score != b.Score ? b.Score.CompareTo(a.Score) : a.Left.CompareTo(b.Left);
    }
}
