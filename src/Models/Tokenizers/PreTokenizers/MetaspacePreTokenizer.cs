using DfPO.Models.Tokenizers.Text;

namespace DfPO.Models.Tokenizers.PreTokenizers;

/// <summary>Where <c>Metaspace</c> puts a mark in front.</summary>
internal enum PrependScheme
{
    /// <summary>Before every piece.</summary>
    Always,

    /// <summary>Before the piece that begins the text.</summary>
    First,

    /// <summary>Nowhere.</summary>
    Never,
}

/// <summary><c>Metaspace</c>: a mark for every space, one in front, and a cut before each mark.</summary>
internal sealed class MetaspacePreTokenizer(string mark, PrependScheme scheme, bool split) : IPreTokenizer
{
    private readonly SplitPreTokenizer _cut = new(new LiteralPattern(mark), SplitBehavior.MergedWithNext);

    public void Split(Piece piece, List<Piece> into)
    {
        var text = piece.Text.Replace(" ", mark, StringComparison.Ordinal);
        if (
            (scheme == PrependScheme.Always || (scheme == PrependScheme.First && piece.IsFirst))
            && !text.StartsWith(mark, StringComparison.Ordinal)
        )
            text = mark + text;
        if (split)
            _cut.Split(piece with { Text = text }, into);
        else
            into.Add(piece with { Text = text });
    }
}
