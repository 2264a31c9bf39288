using System.Diagnostics;

namespace DfPO.Benchmarks;

/// <summary>Seconds of several runs of one thing, and what else the machine did meanwhile.</summary>
/// <param name="Seconds">A run each, seconds.</param>
/// <param name="ForeignLoad">Share of the processors' time that other programs took meanwhile, 0 to 1; NaN where that is not known.</param>
internal sealed record Timing(double[] Seconds, double ForeignLoad = double.NaN)
{
    /// <summary>The median, seconds.</summary>
    public double Median => Quantile(0.5);

    /// <summary>Distance between the quartiles, as a share of the median.</summary>
    public double Spread => (Quantile(0.75) - Quantile(0.25)) / Median;

    /// <summary>Runs an action once without counting, then several times.</summary>
    /// <param name="trials">Runs that count, at least 1.</param>
    /// <param name="action">What is timed.</param>
    public static Timing Of(int trials, Action action)
    {
        action();
        var load = MachineLoad.Start();
        double[] seconds =
        [
            .. Enumerable
                .Range(0, trials)
                .Select(_ =>
                {
                    var start = Stopwatch.GetTimestamp();
                    action();
                    return Stopwatch.GetElapsedTime(start).TotalSeconds;
                }),
        ];
        return new Timing(seconds, load.Foreign());
    }

    /// <summary>A part of what was timed, its seconds taken by somebody else.</summary>
    public Timing Part(IEnumerable<double> seconds) => this with { Seconds = [.. seconds] };

    private double Quantile(double share)
    {
        var sorted = Seconds.Order().ToArray();
        var place = share * (sorted.Length - 1);
        var (low, high) = (sorted[(int)Math.Floor(place)], sorted[(int)Math.Ceiling(place)]);
        return low + ((high - low) * (place - Math.Floor(place)));
    }
}
