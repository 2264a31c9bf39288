namespace DfPO.Tasks.Metrics;

/// <summary>
/// How varied a set of texts is: the figures of GEM-metrics (Gehrmann et al., 2021), which RL4LMs reports as <c>diversity</c>.
/// </summary>
public static class Diversity
{
    /// <summary>
    /// Mean ratio of different words to words over consecutive windows of all texts in a row; the rest after the last window does not
    /// count.
    /// </summary>
    /// <param name="texts">The words of each text.</param>
    /// <param name="window">Words of a window, at least 1.</param>
    /// <returns>A value in (0, 1], or NaN when there are fewer words than a window holds. (GEM rounds it to five digits.)</returns>
    public static double Msttr(IEnumerable<string[]> texts, int window = 100)
    {
        double[] ratios =
        [
            .. texts
                .SelectMany(words => words)
                .Chunk(window)
                .Where(chunk => chunk.Length == window)
                .Select(chunk => chunk.Distinct().Count() / (double)window),
        ];
        return ratios.Length == 0 ? double.NaN : ratios.Average();
    }

    /// <summary>Figures of the n-grams, which do not cross texts, pooled over the texts.</summary>
    public static NgramDiversity OfNgrams(IReadOnlyCollection<string[]> texts, int n)
    {
        var counts = Ngrams.Count(texts, n);
        var total = counts.Values.Sum(count => (double)count);
        var conditional = double.NaN;
        if (n > 1)
        {
            var shorter = Ngrams.Count(texts, n - 1);
            var shorterTotal = shorter.Values.Sum(count => (double)count);
            conditional = -counts.Sum(gram =>
                gram.Value / total * Math.Log2(gram.Value / total / (shorter[gram.Key[..gram.Key.LastIndexOf(' ')]] / shorterTotal))
            );
        }
        return new NgramDiversity(
            total == 0 ? 0 : counts.Count / total,
            counts.Count,
            counts.Values.Count(count => count == 1),
            -counts.Values.Sum(count => count / total * Math.Log2(count / total)),
            conditional
        );
    }

    /// <summary>Lengths in words.</summary>
    /// <param name="texts">At least one.</param>
    public static LengthStatistics Lengths(IReadOnlyCollection<string[]> texts)
    {
        int[] lengths = [.. texts.Select(words => words.Length).Order()];
        var mean = lengths.Average();
        return new LengthStatistics(
            lengths.Sum(),
            mean,
            Math.Sqrt(lengths.Average(length => (length - mean) * (length - mean))),
            (lengths[(lengths.Length - 1) / 2] + lengths[lengths.Length / 2]) / 2.0,
            lengths[0],
            lengths[^1]
        );
    }
}

/// <summary>Figures of one order of n-grams.</summary>
/// <param name="Distinct">Different n-grams over n-grams; 0 when there is none.</param>
/// <param name="Vocabulary">Number of different n-grams.</param>
/// <param name="Unique">Number of n-grams that occur once.</param>
/// <param name="Entropy">Entropy of their distribution, bits.</param>
/// <param name="ConditionalEntropy">Entropy of the last word given those before, bits, with the distribution of (n-1)-grams counted on its
/// own (so it may fall below 0); NaN for n = 1.</param>
public sealed record NgramDiversity(double Distinct, int Vocabulary, int Unique, double Entropy, double ConditionalEntropy);

/// <summary>Lengths in words; the standard deviation is that of the population.</summary>
public sealed record LengthStatistics(long Total, double Mean, double StandardDeviation, double Median, int Min, int Max);
