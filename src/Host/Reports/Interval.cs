using DfPO.Models;

namespace DfPO.Host.Reports;

/// <summary>A mean with a 95 % interval; both ends are the mean where there is one value only.</summary>
/// <param name="Mean">The mean.</param>
/// <param name="Low">Lower end.</param>
/// <param name="High">Upper end.</param>
/// <param name="Count">How many values.</param>
internal readonly record struct Interval(double Mean, double Low, double High, int Count)
{
    // The 97.5 % quantile of Student's t for 1 to 30 degrees of freedom.
    private static readonly double[] s_quantiles =
    [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
        2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
    ];

    /// <summary>Student's t interval of the mean.</summary>
    public static Interval StudentT(IReadOnlyList<double> values)
    {
        var (n, mean) = (values.Count, values.Average());
        if (n == 1)
            return new(mean, mean, mean, 1);
        var error = Math.Sqrt(values.Sum(value => (value - mean) * (value - mean)) / (n - 1) / n);
        return new(mean, mean - Quantile(n - 1) * error, mean + Quantile(n - 1) * error, n);
    }

    /// <summary>Percentile bootstrap interval of the mean (Efron 1979); the same numbers each time.</summary>
    public static Interval Bootstrap(IReadOnlyList<double> values, int resamples = 10_000)
    {
        var (n, mean) = (values.Count, values.Average());
        if (n == 1)
            return new(mean, mean, mean, 1);
        var means = new double[resamples];
        for (var r = 0; r < resamples; r++)
        {
            for (var i = 0; i < n; i++)
                means[r] += values[(int)(CounterRandom.Uniform(1, (ulong)(r * n + i)) * n)];
            means[r] /= n;
        }
        Array.Sort(means);
        return new(mean, means[(int)(0.025 * resamples)], means[(int)(0.975 * resamples)], n);
    }

    /// <summary>The 97.5 % quantile of Student's t: a table, and above it Cornish and Fisher's expansion around the normal one.</summary>
    internal static double Quantile(int degrees)
    {
        const double z = 1.959964;
        return degrees <= s_quantiles.Length ? s_quantiles[degrees - 1] : z + (Math.Pow(z, 3) + z) / (4.0 * degrees) + (5 * Math.Pow(z, 5) + 16 * Math.Pow(z, 3) + 3 * z) / (96.0 * degrees * degrees);
    }
}
