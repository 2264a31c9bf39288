using DfPO.Models.Tokenizers.Text;

namespace DfPO.Models.Tokenizers.PreTokenizers;

/// <summary>
/// <c>ByteLevel</c>: a space in front if asked for, GPT-2's cut if asked for, and then the characters that stand for bytes.
/// </summary>
internal sealed class ByteLevelPreTokenizer(bool addPrefixSpace, bool cut) : IPreTokenizer
{
    /// <summary>Contractions, then letters, numbers and other characters each with an optional space, then white space.</summary>
    public const string Pattern = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    private static readonly Lazy<SplitPreTokenizer> s_cut = new(() =>
        new SplitPreTokenizer(RegexPattern.Of(Pattern), SplitBehavior.Isolated)
    );

    public void Split(Piece piece, List<Piece> into)
    {
        if (addPrefixSpace && piece.Text[0] != ' ')
            piece = piece with { Text = " " + piece.Text };
        var from = into.Count;
        if (cut)
            s_cut.Value.Split(piece, into);
        else
            into.Add(piece);
        for (; from < into.Count; from++)
            into[from] = into[from] with { Text = ByteCharacters.Encode(into[from].Text) };
    }
}
