namespace DfPO.Tasks.Metrics;

/// <summary>Runs of n neighbouring words, as one text with single spaces (a word holds no white space).</summary>
public static class Ngrams
{
    /// <summary>The n-grams of a text in its order; none when it is shorter than n.</summary>
    /// <param name="words">The text's words.</param>
    /// <param name="n">Words of an n-gram, at least 1.</param>
    public static IEnumerable<string> Of(string[] words, int n)
    {
        for (var start = 0; start + n <= words.Length; start++)
            yield return n == 1 ? words[start] : string.Join(' ', words.AsSpan(start, n));
    }

    /// <summary>How often each n-gram stands in a text.</summary>
    public static Dictionary<string, int> Count(string[] words, int n) => Count(Of(words, n));

    /// <summary>How often each n-gram stands in several texts together; n-grams do not cross texts.</summary>
    public static Dictionary<string, int> Count(IEnumerable<string[]> texts, int n) => Count(texts.SelectMany(words => Of(words, n)));

    /// <summary>For each n-gram its highest count in any one of the texts: what BLEU clips against.</summary>
    public static Dictionary<string, int> MaxCounts(IEnumerable<string[]> texts, int n)
    {
        var max = new Dictionary<string, int>();
        foreach (var words in texts)
            foreach (var (ngram, count) in Count(words, n))
                max[ngram] = Math.Max(count, max.GetValueOrDefault(ngram));
        return max;
    }

    private static Dictionary<string, int> Count(IEnumerable<string> ngrams)
    {
        var counts = new Dictionary<string, int>();
        foreach (var ngram in ngrams)
            counts[ngram] = counts.GetValueOrDefault(ngram) + 1;
        return counts;
    }
}
