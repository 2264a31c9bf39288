using System.Text;

namespace DfPO.Models.Tokenizers;

/// <summary>Characters without their accents: canonical decomposition less the nonspacing marks.</summary>
/// <remarks>Own data, because <see cref="string.Normalize()"/> does nothing where globalization is invariant, as it is here.</remarks>
internal static class CanonicalBases
{
    private const int HangulFirst = 0xAC00, HangulLast = 0xD7A3, Vowels = 21, Finals = 28;
    private static readonly Dictionary<Rune, string> s_bases = Read();

    /// <summary>Appends what is left of a character.</summary>
    public static void Append(StringBuilder text, Rune rune)
    {
        if (s_bases.TryGetValue(rune, out var bases))
            text.Append(bases);
        else if (rune.Value is >= HangulFirst and <= HangulLast)
            AppendHangul(text, rune.Value - HangulFirst);
        else if (Rune.GetUnicodeCategory(rune) != System.Globalization.UnicodeCategory.NonSpacingMark)
            text.Append(rune);
    }

    /// <summary>Syllables decompose by arithmetic (Unicode, section 3.12).</summary>
    private static void AppendHangul(StringBuilder text, int syllable)
    {
        text.Append((char)(0x1100 + syllable / (Vowels * Finals))).Append((char)(0x1161 + syllable / Finals % Vowels));
        if (syllable % Finals > 0)
            text.Append((char)(0x11A7 + syllable % Finals));
    }

    private static Dictionary<Rune, string> Read()
    {
        using var reader = new StreamReader(typeof(CanonicalBases).Assembly.GetManifestResourceStream("canonical-bases.txt")!);
        var bases = new Dictionary<Rune, string>();
        while (reader.ReadLine() is { } line)
            if (!line.StartsWith('#'))
            {
                var rune = Rune.GetRuneAt(line, 0);
                bases.Add(rune, line[rune.Utf16SequenceLength..]);
            }
        return bases;
    }
}
