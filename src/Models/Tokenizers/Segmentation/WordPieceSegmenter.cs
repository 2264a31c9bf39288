namespace DfPO.Models.Tokenizers.Segmentation;

/// <summary>
/// <c>WordPiece</c>: the longest token that a word begins with, then the longest that goes on with it; a word that has none is unknown.
/// </summary>
/// <param name="vocabulary">All tokens.</param>
/// <param name="unknown">Id of what stands for an unknown word.</param>
/// <param name="prefix">What tokens inside a word begin with.</param>
/// <param name="longest">Characters of the longest word that is not unknown.</param>
internal sealed class WordPieceSegmenter(Vocabulary vocabulary, int unknown, string prefix, int longest) : ISegmenter
{
    private readonly int _longestToken = vocabulary.Tokens.Select(token => token.Length).DefaultIfEmpty(0).Max();

    public Vocabulary Vocabulary => vocabulary;

    public void Segment(string piece, List<int> ids)
    {
        var from = ids.Count;
        if (piece.EnumerateRunes().Count() > longest)
        {
            ids.Add(unknown);
            return;
        }
        for (var start = 0; start < piece.Length;)
        {
            var end = Math.Min(piece.Length, start + _longestToken);
            int? found = null;
            for (; end > start; end--)
                if (
                    (found = vocabulary.Id(start == 0 ? piece.AsSpan(0, end) : string.Concat(prefix, piece.AsSpan(start, end - start))))
                    is not null
                )
                    break;
            if (found is null)
            {
                ids.RemoveRange(from, ids.Count - from);
                ids.Add(unknown);
                return;
            }
            ids.Add(found.Value);
            start = end;
        }
    }
}
