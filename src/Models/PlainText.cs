using System.Text;

namespace DfPO.Models;

/// <summary>Texts of models, peers and files as a terminal may show them.</summary>
public static class PlainText
{
    /// <summary>
    /// The text with U+FFFD for control characters but line breaks and tabs, and for those that turn the direction of writing: a terminal
    /// obeys the ones, and a reader is misled by the others.
    /// </summary>
    public static string Of(string text)
    {
        if (!text.Any(IsUnsafe))
            return text;
        var plain = new StringBuilder(text.Length);
        foreach (var character in text)
            plain.Append(IsUnsafe(character) ? '\uFFFD' : character);
        return plain.ToString();
    }

    private static bool IsUnsafe(char character) =>
        (char.IsControl(character) && character is not ('\n' or '\t' or '\r'))
        || character is >= '\u202A' and <= '\u202E' or >= '\u2066' and <= '\u2069';
}
