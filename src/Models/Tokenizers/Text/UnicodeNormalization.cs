using System.Globalization;
using System.Text;

namespace DfPO.Models.Tokenizers.Text;

/// <summary>Unicode's normalization forms NFC, NFD, NFKC and NFKD (UAX 15).</summary>
/// <remarks>Own data, because <see cref="string.Normalize()"/> does nothing where globalization is invariant, as it is here.</remarks>
internal static class UnicodeNormalization
{
    private const int HangulFirst = 0xAC00,
        HangulCount = 11172,
        LeadFirst = 0x1100,
        VowelFirst = 0x1161,
        TrailFirst = 0x11A7,
        Leads = 19,
        Vowels = 21,
        Trails = 28;
    private static readonly Dictionary<int, int[]> s_canonical = [];
    private static readonly Dictionary<int, int[]> s_compatible = [];
    private static readonly Dictionary<(int, int), int> s_composites = [];
    private static readonly Dictionary<int, byte> s_classes = [];

    static UnicodeNormalization()
    {
        using var reader = new StreamReader(typeof(UnicodeNormalization).Assembly.GetManifestResourceStream("unicode-normalization.txt")!);
        while (reader.ReadLine() is { } line)
        {
            var fields = line.Split(' ');
            int Hex(int field) => int.Parse(fields[field], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            switch (line[0])
            {
                case '=' or '!':
                    int[] parts = [.. Enumerable.Range(2, fields.Length - 2).Select(Hex)];
                    s_canonical.Add(Hex(1), parts);
                    if (line[0] == '=')
                        s_composites.Add((parts[0], parts[1]), Hex(1));
                    break;
                case '~':
                    s_compatible.Add(Hex(1), [.. Enumerable.Range(2, fields.Length - 2).Select(Hex)]);
                    break;
                case '*':
                    for (var point = Hex(1); point <= Hex(2); point++)
                        s_classes.Add(point, byte.Parse(fields[3], CultureInfo.InvariantCulture));
                    break;
            }
        }
    }

    /// <summary>A text in one of the forms.</summary>
    /// <param name="text">Well-formed UTF-16.</param>
    /// <param name="compatible">Whether compatibility characters are replaced (NFKC, NFKD).</param>
    /// <param name="compose">Whether characters are put together again (NFC, NFKC).</param>
    public static string Normalize(string text, bool compatible, bool compose)
    {
        // Below U+00A0 no character changes; up to U+02FF none that a composed form keeps apart.
        if (text.AsSpan().IndexOfAnyExceptInRange('\0', compose && !compatible ? '\u02FF' : '\u009F') < 0)
            return text;
        var points = new List<int>(text.Length);
        foreach (var rune in text.EnumerateRunes())
            Decompose(rune.Value, compatible, points);
        Order(points);
        if (compose)
            Compose(points);
        var result = new StringBuilder(text.Length);
        foreach (var point in points)
            result.Append(new Rune(point));
        return result.ToString();
    }

    private static void Decompose(int point, bool compatible, List<int> into)
    {
        if (point - HangulFirst is var syllable and >= 0 and < HangulCount)
        {
            into.Add(LeadFirst + syllable / (Vowels * Trails));
            into.Add(VowelFirst + syllable / Trails % Vowels);
            if (syllable % Trails > 0)
                into.Add(TrailFirst + syllable % Trails);
        }
        else if (s_canonical.TryGetValue(point, out var parts) || (compatible && s_compatible.TryGetValue(point, out parts)))
        {
            foreach (var part in parts)
                Decompose(part, compatible, into);
        }
        else
        {
            into.Add(point);
        }
    }

    /// <summary>Sorts each run of combining characters by class, equal ones as they stand.</summary>
    private static void Order(List<int> points)
    {
        for (var at = 1; at < points.Count; at++)
        {
            var (point, rank) = (points[at], Class(points[at]));
            var to = at;
            for (; rank > 0 && to > 0 && Class(points[to - 1]) > rank; to--)
                points[to] = points[to - 1];
            points[to] = point;
        }
    }

    private static void Compose(List<int> points)
    {
        var (starter, kept, last) = (-1, 0, -1);
        for (var at = 0; at < points.Count; at++)
        {
            var (point, rank) = (points[at], Class(points[at]));
            // Blocked when a character between the two has the same class or a higher one, or is a starter.
            if (starter >= 0 && last < rank && Composite(points[starter], point) is { } whole)
            {
                points[starter] = whole;
                continue;
            }
            if (rank == 0)
                (starter, last) = (kept, -1);
            else
                last = rank;
            points[kept++] = point;
        }
        points.RemoveRange(kept, points.Count - kept);
    }

    private static int? Composite(int first, int second)
    {
        if (first - LeadFirst is >= 0 and < Leads && second - VowelFirst is >= 0 and < Vowels)
            return HangulFirst + ((first - LeadFirst) * Vowels + second - VowelFirst) * Trails;
        if (first - HangulFirst is >= 0 and < HangulCount && (first - HangulFirst) % Trails == 0 && second - TrailFirst is > 0 and < Trails)
            return first + second - TrailFirst;
        return s_composites.TryGetValue((first, second), out var whole) ? whole : null;
    }

    private static byte Class(int point) => point < 0x300 ? (byte)0 : s_classes.GetValueOrDefault(point);
}
