using DfPO.Models.Tokenizers.Text;

namespace DfPO.Models.Tokenizers.PreTokenizers;

/// <summary>Cuts at the matches of a pattern: <c>Split</c>, <c>Digits</c>, <c>Punctuation</c>, <c>Whitespace</c> and their like.</summary>
/// <param name="pattern">What is looked for.</param>
/// <param name="behavior">What becomes of the matches.</param>
/// <param name="invert">Whether what lies between the matches is taken for the matches.</param>
internal sealed class SplitPreTokenizer(TextPattern pattern, SplitBehavior behavior, bool invert = false) : IPreTokenizer
{
    public void Split(Piece piece, List<Piece> into)
    {
        var text = piece.Text;
        var parts = new List<(int Start, int End, bool Match)>();
        var end = 0;
        foreach (var (start, length) in pattern.Matches(text))
        {
            if (start > end)
                parts.Add((end, start, invert));
            parts.Add((start, start + length, !invert));
            end = start + length;
        }
        if (end < text.Length)
            parts.Add((end, text.Length, invert));
        foreach (var (start, stop) in Joined(parts))
            into.Add(new Piece(start == 0 && stop == text.Length ? text : text[start..stop], piece.IsFirst && start == 0));
    }

    private List<(int Start, int End)> Joined(List<(int Start, int End, bool Match)> parts)
    {
        var pieces = new List<(int Start, int End)>(parts.Count);
        var previous = false;
        switch (behavior)
        {
            case SplitBehavior.MergedWithNext:
                for (var at = parts.Count - 1; at >= 0; at--)
                {
                    var (start, end, match) = parts[at];
                    if (match && !previous && pieces.Count > 0)
                        pieces[^1] = (start, pieces[^1].End);
                    else
                        pieces.Add((start, end));
                    previous = match;
                }
                pieces.Reverse();
                break;
            default:
                foreach (var (start, end, match) in parts)
                {
                    var join = behavior switch
                    {
                        SplitBehavior.MergedWithPrevious => match && !previous,
                        SplitBehavior.Contiguous => match == previous,
                        _ => false,
                    };
                    if (join && pieces.Count > 0)
                        pieces[^1] = (pieces[^1].Start, end);
                    else if (!match || behavior != SplitBehavior.Removed)
                        pieces.Add((start, end));
                    previous = match;
                }
                break;
        }
        return pieces;
    }
}
