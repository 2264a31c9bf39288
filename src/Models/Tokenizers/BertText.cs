using System.Globalization;
using System.Text;
using Microsoft.ML.Tokenizers;

namespace DfPO.Models.Tokenizers;

/// <summary>What BERT does to a text before it is cut into words, as HF's <c>BertNormalizer</c>.</summary>
/// <param name="lowerCase">Whether letters become small.</param>
/// <param name="stripAccents">Whether accents are dropped.</param>
/// <param name="isolateChinese">Whether every Chinese character becomes a word.</param>
internal sealed class BertNormalizer(bool lowerCase, bool stripAccents, bool isolateChinese) : Normalizer
{
    // Blocks of CJK ideographs; Hangul, Hiragana and Katakana have words and are not among them.
    private static readonly (int First, int Last)[] s_chinese =
    [
        (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
    ];

    public override string Normalize(string original) => Normalize(original.AsSpan());

    public override string Normalize(ReadOnlySpan<char> original)
    {
        var text = new StringBuilder(original.Length);
        foreach (var rune in original.EnumerateRunes())
        {
            if (IsWhiteSpace(rune))
                text.Append(' ');
            else if (!IsDropped(rune))
                Append(text, rune);
        }
        return lowerCase ? Lower(text.ToString()) : text.ToString();
    }

    private void Append(StringBuilder text, Rune rune)
    {
        var alone = isolateChinese && s_chinese.Any(block => rune.Value >= block.First && rune.Value <= block.Last);
        if (alone)
            text.Append(' ');
        if (stripAccents)
            CanonicalBases.Append(text, rune);
        else
            text.Append(rune);
        if (alone)
            text.Append(' ');
    }

    private static string Lower(string text)
    {
        var lower = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
            lower.Append(Rune.ToLowerInvariant(rune));
        return lower.ToString();
    }

    internal static bool IsWhiteSpace(Rune rune) => rune.Value is '\t' or '\n' or '\r' || (Rune.IsWhiteSpace(rune) && !Rune.IsControl(rune));

    /// <summary>Control, format and private characters, and the replacement character, which also stands for broken UTF-16.</summary>
    private static bool IsDropped(Rune rune) => rune.Value is 0 or 0xFFFD || Rune.GetUnicodeCategory(rune) is
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.PrivateUse;
}

/// <summary>Cuts normalised text at white space and around every punctuation mark, as HF's <c>BertPreTokenizer</c>.</summary>
internal sealed class BertPreTokenizer : PreTokenizer
{
    public override IEnumerable<(int Offset, int Length)> PreTokenize(string text)
    {
        var start = 0;
        for (var at = 0; at < text.Length;)
        {
            var rune = Rune.GetRuneAt(text, at);
            var length = rune.Utf16SequenceLength;
            var mark = IsPunctuation(rune);
            if (mark || BertNormalizer.IsWhiteSpace(rune))
            {
                if (at > start)
                    yield return (start, at - start);
                if (mark)
                    yield return (at, length);
                start = at + length;
            }
            at += length;
        }
        if (start < text.Length)
            yield return (start, text.Length - start);
    }

    public override IEnumerable<(int Offset, int Length)> PreTokenize(ReadOnlySpan<char> text) => PreTokenize(text.ToString());

    /// <summary>Unicode's punctuation, and all of ASCII that is neither letter, digit nor blank.</summary>
    private static bool IsPunctuation(Rune rune) =>
        rune.IsAscii ? char.IsPunctuation((char)rune.Value) || char.IsSymbol((char)rune.Value) : Rune.IsPunctuation(rune);
}
