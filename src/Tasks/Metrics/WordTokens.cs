using System.Text.RegularExpressions;

namespace DfPO.Tasks.Metrics;

/// <summary>Words as the running figures of a training count them.</summary>
public static partial class WordTokens
{
    /// <summary>Lower-cased runs of letters, digits and apostrophes, and every other visible character by itself.</summary>
    /// <remarks>
    /// Close to GEM's Treebank words (<see cref="TreebankWords"/>) in one pass; hyphenated words and decimals are parted, contractions are
    /// not.
    /// </remarks>
    public static string[] Of(string text) => [.. Token().Matches(text).Select(match => match.Value.ToLowerInvariant())];

    /// <summary>Different n-grams over all n-grams; n-grams do not cross instances, their table does. 0 when there is none.</summary>
    /// <param name="instances">The words of each instance.</param>
    /// <param name="n">Words of an n-gram, at least 1.</param>
    public static double Distinct(IEnumerable<string[]> instances, int n)
    {
        var counts = Ngrams.Count(instances, n);
        return counts.Count == 0 ? 0 : counts.Count / (double)counts.Values.Sum(count => (long)count);
    }

    // Marks belong to their letter; a surrogate pair is one character.
    [GeneratedRegex(@"[\p{L}\p{M}\p{N}'’]+|[\uD800-\uDBFF][\uDC00-\uDFFF]|\S")]
    private static partial Regex Token();
}
