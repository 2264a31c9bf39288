using System.Globalization;
using System.Text;

namespace DfPO.Models.Chat.Jinja;

/// <summary>Python's functions on strings: characters are code points, white space and cases are Unicode's.</summary>
internal static class PythonText
{
    private static readonly Dictionary<Rune, (string Upper, string Title)> s_special = ReadSpecial();

    public static bool IsSpace(Rune rune) => Rune.IsWhiteSpace(rune) || rune.Value is >= 0x1C and <= 0x1F;

    /// <summary>Length in code points.</summary>
    public static int Length(string text) => text.Length - text.Count(char.IsLowSurrogate);

    /// <summary>Code points as strings of their own.</summary>
    public static IEnumerable<string> Characters(string text) => text.EnumerateRunes().Select(rune => rune.ToString());

    /// <summary>Order by code points, where .NET's ordinal order is by UTF-16 units.</summary>
    public static int Compare(string left, string right)
    {
        for (var i = 0; i < Math.Min(left.Length, right.Length); i++)
            if (left[i] != right[i])
                return (char.IsSurrogate(left[i]) ? left[i] + 0x10000 : left[i])
                    - (char.IsSurrogate(right[i]) ? right[i] + 0x10000 : right[i]);
        return left.Length - right.Length;
    }

    /// <summary>The text without characters of a set, or white space, at its ends.</summary>
    public static string Strip(string text, string? characters = null, bool start = true, bool end = true)
    {
        var set = characters?.EnumerateRunes().ToHashSet();
        bool Goes(Rune rune) => set?.Contains(rune) ?? IsSpace(rune);
        int from = 0,
            to = text.Length;
        while (start && from < to && Rune.DecodeFromUtf16(text.AsSpan(from), out var first, out var taken) == 0 && Goes(first))
            from += taken;
        while (end && to > from && Rune.DecodeLastFromUtf16(text.AsSpan(from, to - from), out var last, out var taken) == 0 && Goes(last))
            to -= taken;
        return text[from..to];
    }

    public static string StripEnd(string text) => Strip(text, start: false);

    /// <summary>Pieces between separators; between runs of white space where there is no separator.</summary>
    /// <param name="text">The text.</param>
    /// <param name="separator">Not empty; null for white space.</param>
    /// <param name="most">Most cuts; negative for all.</param>
    /// <param name="fromEnd">Whether cuts are counted from the end.</param>
    public static List<string> Split(string text, string? separator, long most, bool fromEnd)
    {
        var pieces = separator is null ? Words(text, most, fromEnd) : Cuts(text, separator, most, fromEnd);
        if (fromEnd)
            pieces.Reverse();
        return pieces;
    }

    /// <summary>Lines without their ends.</summary>
    public static List<string> Lines(string text, bool keepEnds)
    {
        var lines = new List<string>();
        var start = 0;
        for (var i = 0; i < text.Length; i++)
        {
            if (!(text[i] is >= '\n' and <= '\r' or >= '\x1c' and <= '\x1e' or '\x85' or '\u2028' or '\u2029'))
                continue;
            var end = i;
            if (text[i] == '\r' && i + 1 < text.Length && text[i + 1] == '\n')
                i++;
            lines.Add(text[start..(keepEnds ? i + 1 : end)]);
            start = i + 1;
        }
        if (start < text.Length)
            lines.Add(text[start..]);
        return lines;
    }

    public static string Upper(string text) => Map(text, UpperOf);

    /// <summary>Lower case; a sigma at a word's end becomes the final one.</summary>
    public static string Lower(string text)
    {
        var runes = text.EnumerateRunes().ToArray();
        var result = new StringBuilder(text.Length);
        for (var i = 0; i < runes.Length; i++)
            result.Append(
                runes[i].Value switch
                {
                    0x130 => "i\u0307",
                    0x3A3 => IsFinal(runes, i) ? "ς" : "σ",
                    _ => Rune.ToLowerInvariant(runes[i]).ToString(),
                }
            );
        return result.ToString();
    }

    /// <summary>The first character in title case, the rest in lower case.</summary>
    public static string Capitalize(string text)
    {
        var first = Characters(text).FirstOrDefault();
        return first is null ? "" : TitleOf(first.EnumerateRunes().First()) + Lower(text)[Lower(first).Length..];
    }

    /// <summary>Every run of letters capitalised, as <c>str.title</c> does it.</summary>
    public static string Title(string text)
    {
        var (result, inWord) = (new StringBuilder(text.Length), false);
        var lower = text.EnumerateRunes();
        foreach (var rune in lower)
        {
            result.Append(inWord ? Lower(rune.ToString()) : TitleOf(rune));
            inWord = IsCased(rune);
        }
        return result.ToString();
    }

    public static string SwapCase(string text) => Map(text, rune => IsUpper(rune) ? Lower(rune.ToString())
            : IsLower(rune) ? UpperOf(rune)
            : rune.ToString());

    /// <summary>Whether there are letters with a case, and all of them have this one.</summary>
    public static bool HasCase(string text, bool upper)
    {
        if (text.EnumerateRunes().Any(HasUnclearCase))
            throw JinjaErrors.NotSupported("asking for the case of letters such as ª or Ⅷ");
        return text.EnumerateRunes().Any(rune => upper ? IsUpper(rune) : IsLower(rune))
            && !text.EnumerateRunes()
                .Any(rune => Rune.GetUnicodeCategory(rune) == UnicodeCategory.TitlecaseLetter || (upper ? IsLower(rune) : IsUpper(rune)));
    }

    /// <summary>The text with the first <paramref name="most"/> finds replaced; all of them where it is negative.</summary>
    public static string Replace(string text, string old, string by, long most)
    {
        if (old.Length == 0 || most >= 0)
            return ReplaceSome(text, old, by, most < 0 ? long.MaxValue : most);
        return text.Replace(old, by, StringComparison.Ordinal);
    }

    /// <summary>Finds that do not overlap.</summary>
    public static int Count(string text, string part)
    {
        if (part.Length == 0)
            return Length(text) + 1;
        var count = 0;
        for (
            var at = text.IndexOf(part, StringComparison.Ordinal);
            at >= 0;
            at = text.IndexOf(part, at + part.Length, StringComparison.Ordinal)
        )
            count++;
        return count;
    }

    private static string ReplaceSome(string text, string old, string by, long most)
    {
        if (old.Length == 0)
        {
            var spread = new StringBuilder();
            foreach (var piece in Characters(text))
                spread.Append(most-- > 0 ? by : "").Append(piece);
            return spread.Append(most > 0 ? by : "").ToString();
        }
        var (result, at) = (new StringBuilder(), 0);
        for (
            var found = text.IndexOf(old, StringComparison.Ordinal);
            found >= 0 && most-- > 0;
            found = text.IndexOf(old, at, StringComparison.Ordinal)
        )
        {
            result.Append(text, at, found - at).Append(by);
            at = found + old.Length;
        }
        return result.Append(text, at, text.Length - at).ToString();
    }

    private static List<string> Words(string text, long most, bool fromEnd)
    {
        var words = new List<string>();
        var rest = Strip(text, start: !fromEnd, end: fromEnd);
        while (rest.Length > 0)
        {
            if (words.Count == most)
            {
                words.Add(rest);
                break;
            }
            var cut = fromEnd ? LastSpace(rest) : FirstSpace(rest);
            words.Add(
                fromEnd ? rest[(cut + 1)..]
                : cut < 0 ? rest
                : rest[..cut]
            );
            rest =
                cut < 0 ? ""
                : fromEnd ? StripEnd(rest[..cut])
                : Strip(rest[cut..], end: false);
        }
        return words;
    }

    // Every white-space character is in the basic plane.
    private static int FirstSpace(string text) => text.AsSpan().IndexOfAny(s_spaces);

    private static int LastSpace(string text) => text.AsSpan().LastIndexOfAny(s_spaces);

    private static readonly System.Buffers.SearchValues<char> s_spaces = System.Buffers.SearchValues.Create([
        .. Enumerable.Range(0, 0x10000).Select(c => (char)c).Where(c => !char.IsSurrogate(c) && IsSpace(new Rune(c))),
    ]);

    private static List<string> Cuts(string text, string separator, long most, bool fromEnd)
    {
        var pieces = new List<string>();
        var rest = text;
        while (pieces.Count != most)
        {
            var cut = fromEnd ? rest.LastIndexOf(separator, StringComparison.Ordinal) : rest.IndexOf(separator, StringComparison.Ordinal);
            if (cut < 0)
                break;
            pieces.Add(fromEnd ? rest[(cut + separator.Length)..] : rest[..cut]);
            rest = fromEnd ? rest[..cut] : rest[(cut + separator.Length)..];
        }
        pieces.Add(rest);
        return pieces;
    }

    private static string Map(string text, Func<Rune, string> map) => string.Concat(text.EnumerateRunes().Select(map));

    private static string UpperOf(Rune rune) =>
        s_special.TryGetValue(rune, out var special) ? special.Upper : Rune.ToUpperInvariant(rune).ToString();

    private static string TitleOf(Rune rune) =>
        s_special.TryGetValue(rune, out var special) ? special.Title : Rune.ToUpperInvariant(rune).ToString();

    private static bool IsUpper(Rune rune) => Rune.GetUnicodeCategory(rune) == UnicodeCategory.UppercaseLetter;

    private static bool IsLower(Rune rune) => Rune.GetUnicodeCategory(rune) == UnicodeCategory.LowercaseLetter;

    private static bool IsCased(Rune rune) =>
        IsUpper(rune) || IsLower(rune) || Rune.GetUnicodeCategory(rune) == UnicodeCategory.TitlecaseLetter;

    private static bool HasUnclearCase(Rune rune) =>
        rune.Value is 0xAA or 0xBA or (>= 0x24B6 and <= 0x24E9) or (>= 0x1F130 and <= 0x1F189)
        || Rune.GetUnicodeCategory(rune)
            is UnicodeCategory.LetterNumber
                or UnicodeCategory.ModifierLetter
                or UnicodeCategory.NonSpacingMark;

    private static bool IsIgnorable(Rune rune) =>
        rune.Value is '\'' or '.' or ':' or '^' or '`' or 0xA8 or 0xAD or 0xAF or 0xB4 or 0xB7 or 0xB8 or 0x2019 or 0x2024 or 0x2027
        || Rune.GetUnicodeCategory(rune)
            is UnicodeCategory.NonSpacingMark
                or UnicodeCategory.EnclosingMark
                or UnicodeCategory.Format
                or UnicodeCategory.ModifierLetter
                or UnicodeCategory.ModifierSymbol;

    private static bool IsFinal(Rune[] runes, int at)
    {
        var before = runes[..at].Reverse().SkipWhile(IsIgnorable).Take(1).Any(IsCased);
        return before && !runes[(at + 1)..].SkipWhile(IsIgnorable).Take(1).Any(IsCased);
    }

    /// <summary>
    /// Characters whose upper or title case is not one other character: lines of character, upper case, title case (Unicode's
    /// SpecialCasing).
    /// </summary>
    private static Dictionary<Rune, (string, string)> ReadSpecial()
    {
        using var reader = new StreamReader(typeof(PythonText).Assembly.GetManifestResourceStream("special-casing.txt")!);
        var special = new Dictionary<Rune, (string, string)>();
        while (reader.ReadLine() is { } line)
        {
            var fields = line.Split(' ');
            special.Add(fields[0].EnumerateRunes().First(), (fields[1], fields[2]));
        }
        return special;
    }
}
