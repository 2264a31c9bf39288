namespace DfPO.Tasks.Metrics;

/// <summary>An estimate with its 95 % confidence interval; both ends are the estimate where nothing says how sure it is.</summary>
/// <param name="Estimate">The figure.</param>
/// <param name="Low">Lower end.</param>
/// <param name="High">Upper end.</param>
public readonly record struct Interval(double Estimate, double Low, double High)
{
    /// <summary>A figure of which nothing says how sure it is.</summary>
    public static Interval Of(double value) => new(value, value, value);

    /// <summary>A share of things that are so, with Wilson's score interval (Wilson 1927), which stays within 0 and 1.</summary>
    /// <param name="hits">Things that are so.</param>
    /// <param name="count">Things, at least 1.</param>
    public static Interval Share(int hits, int count)
    {
        const double z = 1.959963984540054;
        double share = hits / (double)count,
            spread = z * z / count,
            centre = (share + (spread / 2)) / (1 + spread),
            half = z / (1 + spread) * Math.Sqrt((share * (1 - share) / count) + (spread / (4 * count)));
        return new(share, Math.Max(0, centre - half), Math.Min(1, centre + half));
    }

    /// <summary>Whether the interval leaves 0 out: a difference that chance does not explain at that level.</summary>
    public bool ExcludesZero => Low > 0 || High < 0;
}
