using System.Diagnostics;
using System.Globalization;

namespace DfPO.Benchmarks;

/// <summary>How much of the processors other programs take, by Linux's <c>/proc/stat</c>.</summary>
/// <remarks>A figure of a busy machine is no figure.</remarks>
internal sealed class MachineLoad
{
    private const string Counters = "/proc/stat";

    // Ticks of those counters a second, the same on every Linux that .NET runs on.
    private const double Ticks = 100;

    private readonly long _start = Stopwatch.GetTimestamp();
    private readonly double _busy = Busy();
    private readonly double _own = Own();

    private MachineLoad() { }

    /// <summary>Begins to count.</summary>
    public static MachineLoad Start() => new();

    /// <summary>Share of the processors' time since the start that was not this process's, 0 to 1; NaN where that is not known.</summary>
    public double Foreign()
    {
        var all = Stopwatch.GetElapsedTime(_start).TotalSeconds * Environment.ProcessorCount;
        return Math.Clamp((Busy() - _busy - (Own() - _own)) / all, 0, 1);
    }

    private static double Own() => Environment.CpuUsage.TotalTime.TotalSeconds;

    /// <summary>user, nice, system, irq, softirq and steal; not idle and iowait.</summary>
    private static double Busy()
    {
        if (!File.Exists(Counters))
            return double.NaN;
        var fields = File.ReadLines(Counters).First().Split(' ', StringSplitOptions.RemoveEmptyEntries)[1..9];
        var ticks = fields.Select(field => double.Parse(field, CultureInfo.InvariantCulture)).ToArray();
        return (ticks.Sum() - ticks[3] - ticks[4]) / Ticks;
    }
}
