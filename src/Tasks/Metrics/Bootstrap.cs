using DfPO.Models;

namespace DfPO.Tasks.Metrics;

/// <summary>
/// Percentile bootstrap (Efron, 1979) with a seed of its own: the same interval on every machine. What is resampled are clusters (prompts),
/// and seeds where there are several, each kind by itself and both in each resample, for every seed continues the same prompts (Owen,
/// 2007).
/// </summary>
public static class Bootstrap
{
    private const int Resamples = 1000;

    /// <summary>Interval of a mean.</summary>
    /// <param name="values">At least one, finite.</param>
    /// <param name="seed">Seed of the resampling.</param>
    /// <param name="level">Confidence, in (0, 1).</param>
    /// <param name="resamples">Number of resamples.</param>
    public static Interval Mean(IReadOnlyList<double> values, ulong seed = 0, double level = 0.95, int resamples = Resamples) =>
        Of(values.Count, items => items.Average(item => values[item]), seed, level, resamples);

    /// <summary>Interval of any figure of a corpus, such as corpus BLEU.</summary>
    /// <param name="count">Items of the corpus, at least 1.</param>
    /// <param name="statistic">The figure of the items with these indices, which may repeat.</param>
    /// <param name="seed">Seed of the resampling.</param>
    /// <param name="level">Confidence, in (0, 1).</param>
    /// <param name="resamples">Number of resamples.</param>
    /// <exception cref="DfpoException"><c>metrics/empty</c>: no item.</exception>
    public static Interval Of(int count, Func<int[], double> statistic, ulong seed = 0, double level = 0.95, int resamples = Resamples) =>
        Of([count], items => [statistic(items[0])], seed, level, resamples)[0];

    /// <summary>Intervals of several figures at once.</summary>
    /// <param name="counts">Items of each kind, at least 1; of one alone nothing is resampled, so what it adds to the spread is left
    /// out.</param>
    /// <param name="statistics">The figures of the items with these indices, for each kind a list, which may repeat. The lists are
    /// reused.</param>
    /// <param name="seed">Seed of the resampling.</param>
    /// <param name="level">Confidence, in (0, 1).</param>
    /// <param name="resamples">Number of resamples.</param>
    /// <returns>For each figure its interval; resamples without a value are left out, and a figure without one has no interval either, but
    /// NaN.</returns>
    /// <exception cref="DfpoException"><c>metrics/empty</c>: no item.</exception>
    public static Interval[] Of(
        IReadOnlyList<int> counts,
        Func<int[][], double[]> statistics,
        ulong seed = 0,
        double level = 0.95,
        int resamples = Resamples
    )
    {
        if (counts.Any(count => count == 0))
            throw new DfpoException("metrics/empty", "There is nothing to resample: no item was measured.");
        var estimates = statistics([.. counts.Select(count => Enumerable.Range(0, count).ToArray())]);
        int[][] items = [.. counts.Select(count => new int[count])];
        var figures = new double[resamples][];
        for (var resample = 0; resample < resamples; resample++)
        {
            foreach (var (kind, list) in items.Index())
                for (var i = 0; i < list.Length; i++)
                    list[i] = (int)(
                        CounterRandom.Uniform(seed + (ulong)kind, (ulong)resample * (ulong)list.Length + (ulong)i) * list.Length
                    );
            figures[resample] = statistics(items);
        }
        return
        [
            .. estimates.Select(
                (estimate, figure) => Percentiles(estimate, [.. figures.Select(values => values[figure]).Where(double.IsFinite)], level)
            ),
        ];
    }

    private static Interval Percentiles(double estimate, double[] figures, double level)
    {
        if (!double.IsFinite(estimate) || figures.Length == 0)
            return Interval.Of(double.NaN);
        Array.Sort(figures);
        return new(estimate, Quantile(figures, (1 - level) / 2), Quantile(figures, (1 + level) / 2));
    }

    // Linear between the two nearest, as NumPy does by default.
    private static double Quantile(double[] sorted, double q)
    {
        var place = q * (sorted.Length - 1);
        var below = (int)place;
        return below + 1 < sorted.Length ? sorted[below] + (place - below) * (sorted[below + 1] - sorted[below]) : sorted[below];
    }
}
