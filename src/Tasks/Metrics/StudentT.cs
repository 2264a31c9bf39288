namespace DfPO.Tasks.Metrics;

/// <summary>
/// Student's interval of a mean, for a few independent values such as the seeds' of a curve, of which a bootstrap would claim too much.
/// </summary>
public static class StudentT
{
    // The 97.5 % quantile for 1 to 30 degrees of freedom.
    private static readonly double[] s_quantiles =
    [
        12.706,
        4.303,
        3.182,
        2.776,
        2.571,
        2.447,
        2.365,
        2.306,
        2.262,
        2.228,
        2.201,
        2.179,
        2.160,
        2.145,
        2.131,
        2.120,
        2.110,
        2.101,
        2.093,
        2.086,
        2.080,
        2.074,
        2.069,
        2.064,
        2.060,
        2.056,
        2.052,
        2.048,
        2.045,
        2.042,
    ];

    /// <summary>The mean of at least one value with its 95 % interval.</summary>
    public static Interval Mean(IReadOnlyList<double> values)
    {
        var (n, mean) = (values.Count, values.Average());
        if (n == 1)
            return Interval.Of(mean);
        var error = Math.Sqrt(values.Sum(value => (value - mean) * (value - mean)) / (n - 1) / n);
        return new(mean, mean - Quantile(n - 1) * error, mean + Quantile(n - 1) * error);
    }

    /// <summary>The 97.5 % quantile: a table, and above it Cornish and Fisher's expansion around the normal one.</summary>
    /// <param name="degrees">Degrees of freedom, at least 1.</param>
    public static double Quantile(int degrees)
    {
        const double z = 1.959964;
        return degrees <= s_quantiles.Length
            ? s_quantiles[degrees - 1]
            : z + (Math.Pow(z, 3) + z) / (4.0 * degrees) + (5 * Math.Pow(z, 5) + 16 * Math.Pow(z, 3) + 3 * z) / (96.0 * degrees * degrees);
    }
}
