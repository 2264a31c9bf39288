using System.Text.RegularExpressions;

namespace DfPO.Tasks.Metrics;

/// <summary>
/// Words by the Penn Treebank's conventions: punctuation stands apart, contractions are parted (<c>do n't</c>), double quotes become
/// <c>``</c> and <c>''</c>.
/// </summary>
/// <remarks>
/// The rules and their order are those of NLTK 3.8's <c>word_tokenize</c>. That one parts a text into sentences with a trained model
/// (Punkt) first, which matters only for the full stops inside a text; here a sentence ends at <c>. ! ?</c> before a capital letter, unless
/// an initial or a common abbreviation stands before it.
/// </remarks>
public static partial class TreebankWords
{
    private static readonly (Regex Pattern, string Replacement)[] s_rules =
    [
        (new(@"([«“‘„]|[`]+)"), " $1 "),
        (new(@"^"""), "``"),
        (new(@"(``)"), " $1 "),
        (new(@"([ \(\[{<])(""|'{2})"), "$1 `` "),
        (new(@"(')(?!re|ve|ll|m|t|s|d|n)(\w)\b", RegexOptions.IgnoreCase), "$1 $2"),
        (new(@"([^\.])(\.)([\]\)}>""'»”’ ]*)\s*$"), "$1 $2 $3 "),
        (new(@"([:,])([^\d])"), " $1 $2"),
        (new(@"([:,])$"), " $1 "),
        (new(@"\.{2,}"), " $0 "),
        (new(@"[;@#$%&]"), " $0 "),
        (new(@"([^\.])(\.)([\]\)}>""'»”’ ]*)\s*$"), "$1 $2 $3 "),
        (new(@"[?!]"), " $0 "),
        (new(@"([^'])' "), "$1 ' "),
        (new(@"[*]"), " $0 "),
        (new(@"[\]\[\(\)\{\}\<\>]"), " $0 "),
        (new(@"--"), " -- "),
        // From here on the text stands between two spaces.
        (new(@"^.*$", RegexOptions.Singleline), " $0 "),
        (new(@"([»”’])"), " $1 "),
        (new(@"''"), " '' "),
        (new(@""""), " '' "),
        (new(@"([^' ])('[sS]|'[mM]|'[dD]|') "), "$1 $2 "),
        (new(@"([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) "), "$1 $2 "),
        (
            new(
                @"\b(can)(not)\b|\b(d)('ye)\b|\b(gim)(me)\b|\b(gon)(na)\b|\b(got)(ta)\b|\b(lem)(me)\b|\b(more)('n)\b|\b(wan)(na)(?=\s)",
                RegexOptions.IgnoreCase
            ),
            " $1$3$5$7$9$11$13$15 $2$4$6$8$10$12$14$16 "
        ),
        (new(@" ('t)(is|was)\b", RegexOptions.IgnoreCase), " $1 $2 "),
    ];

    private static readonly HashSet<string> s_abbreviations = new(StringComparer.OrdinalIgnoreCase)
    {
        "mr",
        "mrs",
        "ms",
        "dr",
        "st",
        "jr",
        "sr",
        "prof",
        "gen",
        "col",
        "sgt",
        "capt",
        "lt",
        "rev",
        "hon",
        "vs",
        "etc",
        "inc",
        "ltd",
        "co",
        "corp",
        "no",
        "vol",
        "fig",
        "e.g",
        "i.e",
        "u.s",
        "u.k",
    };

    /// <summary>The words of a text, case kept.</summary>
    public static string[] Of(string text) => [.. Sentences(text).SelectMany(Words)];

    /// <summary>The words of a text, lower-cased.</summary>
    public static string[] Lower(string text) => [.. Of(text).Select(word => word.ToLowerInvariant())];

    /// <summary>Whether a word is nothing but one ASCII punctuation mark: what the <c>nopunct</c> figures leave out.</summary>
    public static bool IsPunctuation(string word) =>
        word.Length == 1 && word[0] < 128 && (char.IsPunctuation(word[0]) || char.IsSymbol(word[0]));

    private static string[] Words(string sentence)
    {
        foreach (var (pattern, replacement) in s_rules)
            sentence = pattern.Replace(sentence, replacement);
        return sentence.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
    }

    private static IEnumerable<string> Sentences(string text)
    {
        var start = 0;
        foreach (Match end in SentenceEnd().Matches(text))
        {
            if (end.Groups["mark"].ValueSpan is "." && IsAbbreviation(text.AsSpan(start, end.Index - start)))
                continue;
            yield return text[start..(end.Index + end.Length)];
            start = end.Index + end.Length;
        }
        yield return text[start..];
    }

    private static bool IsAbbreviation(ReadOnlySpan<char> before)
    {
        var word = before[(before.LastIndexOfAny(' ', '\n', '(') + 1)..].ToString();
        return s_abbreviations.Contains(word) || (word.Length == 1 && char.IsUpper(word[0]));
    }

    [GeneratedRegex(@"(?<mark>\.|[!?]+)[""'”’)\]]*\s+(?=[""'“‘(\[]*\p{Lu})")]
    private static partial Regex SentenceEnd();
}
