using DfPO.Models;

namespace DfPO.Tasks.Metrics;

/// <summary>An estimate with its confidence interval.</summary>
public readonly record struct Interval(double Estimate, double Low, double High)
{
    /// <summary>Whether the interval leaves 0 out: a paired difference that chance does not explain at that level.</summary>
    public bool ExcludesZero => Low > 0 || High < 0;
}

/// <summary>Percentile bootstrap (Efron, 1979) with a seed of its own: the same interval on every machine.</summary>
public static class Bootstrap
{
    /// <summary>Interval of a mean.</summary>
    /// <param name="values">At least one, finite.</param>
    /// <param name="seed">Seed of the resampling.</param>
    /// <param name="level">Confidence, in (0, 1).</param>
    /// <param name="resamples">Number of resamples.</param>
    public static Interval Mean(IReadOnlyList<double> values, ulong seed = 0, double level = 0.95, int resamples = 1000) =>
        Of(values.Count, items => items.Average(item => values[item]), seed, level, resamples);

    /// <summary>Interval of the mean of a - b over items that both measured: narrower than that of two means, because items differ in difficulty.</summary>
    /// <exception cref="DfpoException"><c>metrics/pairs</c>: not the same number of items.</exception>
    public static Interval PairedDifference(IReadOnlyList<double> a, IReadOnlyList<double> b, ulong seed = 0, double level = 0.95, int resamples = 1000) => a.Count == b.Count
        ? Mean([.. a.Zip(b, (x, y) => x - y)], seed, level, resamples)
        : throw new DfpoException("metrics/pairs", $"A paired difference needs the same items on both sides: {a.Count} and {b.Count} were given.");

    /// <summary>Interval of any figure of a corpus, such as corpus BLEU.</summary>
    /// <param name="count">Items of the corpus, at least 1.</param>
    /// <param name="statistic">The figure of the items with these indices, which may repeat.</param>
    /// <param name="seed">Seed of the resampling.</param>
    /// <param name="level">Confidence, in (0, 1).</param>
    /// <param name="resamples">Number of resamples.</param>
    /// <exception cref="DfpoException"><c>metrics/empty</c>: no item.</exception>
    public static Interval Of(int count, Func<int[], double> statistic, ulong seed = 0, double level = 0.95, int resamples = 1000)
    {
        if (count == 0)
            throw new DfpoException("metrics/empty", "There is nothing to resample: no item was measured.");
        var items = new int[count];
        var figures = new double[resamples];
        for (var resample = 0; resample < resamples; resample++)
        {
            for (var i = 0; i < count; i++)
                items[i] = (int)(CounterRandom.Uniform(seed, (ulong)resample * (ulong)count + (ulong)i) * count);
            figures[resample] = statistic(items);
        }
        Array.Sort(figures);
        return new Interval(statistic([.. Enumerable.Range(0, count)]), Quantile(figures, (1 - level) / 2), Quantile(figures, (1 + level) / 2));
    }

    // Linear between the two nearest, as NumPy does by default.
    private static double Quantile(double[] sorted, double q)
    {
        var place = q * (sorted.Length - 1);
        var below = (int)place;
        return below + 1 < sorted.Length ? sorted[below] + (place - below) * (sorted[below + 1] - sorted[below]) : sorted[below];
    }
}
