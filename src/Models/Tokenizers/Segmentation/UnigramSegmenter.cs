namespace DfPO.Models.Tokenizers.Segmentation;

/// <summary><c>Unigram</c>: the likeliest segmentation, where a character that is no token is unknown, and so is a run of them.</summary>
/// <remarks>
/// Source: Kudo 2018. As in HF's tokenizers sums are float64, and of equal ones the first found stays, which is the one of the longer last
/// token. SentencePiece (0.1.97) keeps them in float32, whose roundings decide between segmentations of the same score, such as the same
/// tokens in another order.
/// </remarks>
internal sealed class UnigramSegmenter : ISegmenter
{
    private const double UnknownPenalty = 10;
    private readonly double[] _scores;
    private readonly int[] _lengths;
    private readonly int? _unknown;
    private readonly double _unknownScore;
    private readonly ByteTokens? _bytes;
    private readonly IReadOnlySet<int> _neverText = new HashSet<int>();
    private readonly bool _round;

    /// <param name="vocabulary">Tokens with ids 0, 1, ...</param>
    /// <param name="scores">Log-probabilities by id.</param>
    /// <param name="unknown">Id of what stands for unknown characters; null to refuse them.</param>
    /// <param name="byteFallback">Whether the bytes of unknown characters are tokens.</param>
    public UnigramSegmenter(Vocabulary vocabulary, double[] scores, int? unknown, bool byteFallback)
    {
        (Vocabulary, _scores, _unknown) = (vocabulary, scores, unknown);
        _lengths = [.. vocabulary.Tokens.Select(token => token.Length).Where(length => length > 0).Distinct().Order()];
        _unknownScore = scores.DefaultIfEmpty(0).Min() - UnknownPenalty;
        _bytes = byteFallback ? new ByteTokens(vocabulary) : null;
    }

    private UnigramSegmenter(UnigramSegmenter other, IReadOnlySet<int> neverText)
        : this(other.Vocabulary, other._scores, other._unknown, other._bytes is not null) =>
        (_neverText, _round, _unknownScore) = (neverText, true, (float)_unknownScore);

    public Vocabulary Vocabulary { get; }

    /// <summary>The same with SentencePiece's own arithmetic.</summary>
    /// <param name="neverText">Ids that no text is cut into: those of control tokens.</param>
    public UnigramSegmenter AsSentencePiece(IReadOnlySet<int> neverText) => new(this, neverText);

    public void Segment(string piece, List<int> ids)
    {
        var ends = new Node[piece.Length + 1];
        for (int start = 0, character; start < piece.Length; start += character)
        {
            character = char.IsHighSurrogate(piece[start]) ? 2 : 1;
            var here = ends[start].Score;
            var single = false;
            foreach (var length in _lengths)
            {
                if (start + length > piece.Length)
                    break;
                if (Vocabulary.Id(piece.AsSpan(start, length)) is not { } id || _neverText.Contains(id))
                    continue;
                ends[start + length].Offer(_scores[id] + here, start, id, _round);
                single |= length == character;
            }
            if (!single)
                ends[start + character]
                    .Offer(
                        _round ? (float)_unknownScore + (float)here : _unknownScore + here,
                        start,
                        _unknown
                            ?? throw new InvalidOperationException(
                                $"'{piece.Substring(start, character)}' is no token and there is none for what is unknown"
                            ),
                        _round
                    );
        }
        var parts = new List<(int Start, int End, int Id)>();
        for (var end = piece.Length; end > 0; end = ends[end].Start)
        {
            var part = (ends[end].Start, End: end, ends[end].Id);
            if (part.Id == _unknown && parts.Count > 0 && parts[^1].Id == _unknown)
                parts[^1] = (part.Start, parts[^1].End, part.Id);
            else
                parts.Add(part);
        }
        for (var at = parts.Count - 1; at >= 0; at--)
        {
            var text = piece.AsSpan(parts[at].Start, parts[at].End - parts[at].Start);
            // The text of a run of unknown characters is looked up again, as in the original.
            if (Vocabulary.Id(text) is { } id && !_neverText.Contains(id))
                ids.Add(id);
            else if (_bytes is null || !_bytes.TryAppend(text, ids))
                ids.Add(parts[at].Id);
        }
    }

    /// <summary>The best way to an end of a token.</summary>
    private struct Node
    {
        private bool _reached;

        public double Score { get; private set; }
        public int Start { get; private set; }
        public int Id { get; private set; }

        public void Offer(double score, int start, int id, bool round)
        {
            // SentencePiece compares in float64 and keeps in float32.
            if (!_reached || score > Score)
                (_reached, Score, Start, Id) = (true, round ? (float)score : score, start, id);
        }
    }
}
