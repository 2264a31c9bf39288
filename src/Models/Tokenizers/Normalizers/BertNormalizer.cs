using System.Globalization;
using System.Text;
using DfPO.Models.Tokenizers.Text;

namespace DfPO.Models.Tokenizers.Normalizers;

/// <summary><c>BertNormalizer</c>.</summary>
/// <param name="cleanText">Whether control characters go and every white space becomes a blank.</param>
/// <param name="isolateChinese">Whether every Chinese character becomes a word.</param>
/// <param name="stripAccents">Whether accents are dropped.</param>
/// <param name="lowerCase">Whether letters become small.</param>
internal sealed class BertNormalizer(bool cleanText, bool isolateChinese, bool stripAccents, bool lowerCase) : INormalizer
{
    // Blocks of CJK ideographs; Hangul, Hiragana and Katakana have words and are not among them.
    private static readonly (int First, int Last)[] s_chinese =
    [
        (0x4E00, 0x9FFF),
        (0x3400, 0x4DBF),
        (0x20000, 0x2A6DF),
        (0x2A700, 0x2B73F),
        (0x2B740, 0x2B81F),
        (0x2B920, 0x2CEAF),
        (0xF900, 0xFAFF),
        (0x2F800, 0x2FA1F),
    ];

    public string Normalize(string text)
    {
        var clean = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            if (cleanText && IsBlank(rune))
                clean.Append(' ');
            else if (!cleanText || !IsDropped(rune))
                Append(clean, rune);
        }
        var result = clean.ToString();
        if (stripAccents)
            result = WithoutAccents(UnicodeNormalization.Normalize(result, compatible: false, compose: false));
        return lowerCase ? Characters.Lower(result) : result;
    }

    private void Append(StringBuilder text, Rune rune)
    {
        var alone = isolateChinese && rune.Value >= 0x3400 && s_chinese.Any(block => rune.Value >= block.First && rune.Value <= block.Last);
        if (alone)
            text.Append(' ');
        text.Append(rune);
        if (alone)
            text.Append(' ');
    }

    private static string WithoutAccents(string text)
    {
        var rest = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
            if (Rune.GetUnicodeCategory(rune) != UnicodeCategory.NonSpacingMark)
                rest.Append(rune);
        return rest.ToString();
    }

    private static bool IsBlank(Rune rune) =>
        rune.Value is '\t' or '\n' or '\r' || (Characters.IsWhiteSpace(rune) && !Rune.IsControl(rune));

    /// <summary>Control, format and private characters, and the replacement character, which also stands for broken UTF-16.</summary>
    private static bool IsDropped(Rune rune) =>
        rune.Value is 0 or 0xFFFD
        || Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.PrivateUse;
}
