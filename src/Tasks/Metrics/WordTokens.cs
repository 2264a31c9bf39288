using System.Text.RegularExpressions;

namespace DfPO.Tasks.Metrics;

/// <summary>Words as the diversity metrics count them.</summary>
public static partial class WordTokens
{
    /// <summary>Lower-cased runs of letters, digits and apostrophes, and every other visible character by itself.</summary>
    /// <remarks>Close to GEM's Treebank words; hyphenated words and decimals are parted, contractions are not.</remarks>
    public static string[] Of(string text) => [.. Token().Matches(text).Select(match => match.Value.ToLowerInvariant())];

    /// <summary>Different n-grams over all n-grams; n-grams do not cross instances, their table does. 0 when there is none.</summary>
    /// <param name="instances">The words of each instance.</param>
    /// <param name="n">Words of an n-gram, at least 1.</param>
    public static double Distinct(IEnumerable<string[]> instances, int n)
    {
        var types = new HashSet<string>();
        var total = 0L;
        foreach (var words in instances)
            for (var start = 0; start + n <= words.Length; start++)
            {
                // A token holds no white space, so a space between them keeps n-grams apart.
                types.Add(string.Join(' ', words.AsSpan(start, n)));
                total++;
            }
        return total == 0 ? 0 : types.Count / (double)total;
    }

    // Marks belong to their letter; a surrogate pair is one character.
    [GeneratedRegex(@"[\p{L}\p{M}\p{N}'’]+|[\uD800-\uDBFF][\uDC00-\uDFFF]|\S")]
    private static partial Regex Token();
}
