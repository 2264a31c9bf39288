namespace DfPO.Tasks.Metrics;

/// <summary>An estimate with its 95 % confidence interval; both ends are the estimate where nothing says how sure it is.</summary>
/// <param name="Estimate">The figure.</param>
/// <param name="Low">Lower end.</param>
/// <param name="High">Upper end.</param>
public readonly record struct Interval(double Estimate, double Low, double High)
{
    /// <summary>A figure of which nothing says how sure it is.</summary>
    public static Interval Of(double value) => new(value, value, value);

    /// <summary>Whether the interval leaves 0 out: a difference that chance does not explain at that level.</summary>
    public bool ExcludesZero => Low > 0 || High < 0;
}
