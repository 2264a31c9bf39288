using System.Text;

namespace DfPO.Models.Tokenizers.Text;

/// <summary>What is looked for in a text.</summary>
internal abstract class TextPattern
{
    /// <summary>The places of all matches, in order and none over another.</summary>
    public abstract List<(int Start, int Length)> Matches(string text);

    /// <summary>The text with something in place of each match.</summary>
    public string Replace(string text, string content)
    {
        var matches = Matches(text);
        if (matches.Count == 0)
            return text;
        var result = new StringBuilder(text.Length);
        var end = 0;
        foreach (var (start, length) in matches)
        {
            result.Append(text, end, start - end).Append(content);
            end = start + length;
        }
        return result.Append(text, end, text.Length - end).ToString();
    }
}

/// <summary>A text that is not empty.</summary>
internal sealed class LiteralPattern(string literal) : TextPattern
{
    public override List<(int Start, int Length)> Matches(string text)
    {
        var matches = new List<(int, int)>();
        for (
            var at = text.IndexOf(literal, StringComparison.Ordinal);
            at >= 0;
            at = text.IndexOf(literal, at + literal.Length, StringComparison.Ordinal)
        )
            matches.Add((at, literal.Length));
        return matches;
    }
}

/// <summary>Characters of a class, each a match of its own.</summary>
internal sealed class CharacterPattern(Func<Rune, bool> belongs) : TextPattern
{
    public override List<(int Start, int Length)> Matches(string text)
    {
        var matches = new List<(int, int)>();
        for (int at = 0, length; at < text.Length; at += length)
        {
            var rune = Rune.GetRuneAt(text, at);
            length = rune.Utf16SequenceLength;
            if (belongs(rune))
                matches.Add((at, length));
        }
        return matches;
    }
}

/// <summary>Runs of characters of one kind: words, and what is neither word nor blank (<c>\w+|[^\w\s]+</c>).</summary>
internal sealed class WordPattern : TextPattern
{
    public override List<(int Start, int Length)> Matches(string text)
    {
        var matches = new List<(int, int)>();
        var (start, kind) = (0, 0);
        for (int at = 0, length; at <= text.Length; at += length)
        {
            length = 1;
            var next = 0;
            if (at < text.Length)
            {
                var rune = Rune.GetRuneAt(text, at);
                length = rune.Utf16SequenceLength;
                next =
                    Characters.IsWord(rune) ? 1
                    : Characters.IsWhiteSpace(rune) ? 0
                    : 2;
            }
            if (next == kind)
                continue;
            if (kind != 0)
                matches.Add((start, at - start));
            (start, kind) = (at, next);
        }
        return matches;
    }
}
