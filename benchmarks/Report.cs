using System.Diagnostics;
using System.Globalization;
using DfPO.Actors;
using TorchSharp;

namespace DfPO.Benchmarks;

/// <summary>One line a figure; the figures are kept, for a file and for a comparison.</summary>
internal static class Report
{
    private static readonly List<Figure> s_figures = [];

    /// <summary>What was measured so far.</summary>
    public static IReadOnlyList<Figure> Figures => s_figures;

    /// <summary>A rate or a time, from the median of its runs.</summary>
    /// <param name="model">What was measured.</param>
    /// <param name="dtype">Of its weights or products; null where that says nothing.</param>
    /// <param name="batch">Sequences at once; null where that says nothing.</param>
    /// <param name="figure">The part.</param>
    /// <param name="timing">Its runs.</param>
    /// <param name="amount">How much of the unit a run does; null for the seconds themselves.</param>
    /// <param name="unit">What the amount counts.</param>
    /// <param name="more">Added to the line.</param>
    public static void Measured(
        string model,
        torch.ScalarType? dtype,
        int? batch,
        string figure,
        Timing timing,
        double? amount,
        string unit,
        string more = ""
    )
    {
        var value = amount is { } count ? count / timing.Median : timing.Median;
        string[] name = [model, Text(dtype), batch is null ? "" : $"batch {batch}", figure];
        double? foreign = double.IsNaN(timing.ForeignLoad) ? null : timing.ForeignLoad;
        s_figures.Add(
            new Figure(
                string.Join(", ", name.Where(part => part.Length > 0)),
                double.Parse(value.ToString("g4", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture),
                unit,
                Math.Round(timing.Spread, 3),
                foreign is null ? null : Math.Round(foreign.Value, 3)
            )
        );
        var load = foreign is null ? "" : $", others took {foreign:p0} of the machine";
        Line(
            model,
            dtype,
            batch,
            figure,
            $"{(value < 100 ? value.ToString("g3") : value.ToString("f0"))} {unit}, quartiles {timing.Spread:p0} apart{load}"
                + (more.Length > 0 ? $"; {more}" : "")
        );
    }

    /// <summary>A line that is not compared.</summary>
    public static void Line(string model, torch.ScalarType? dtype, int? batch, string figure, string value) =>
        Console.WriteLine($"{model,-22} {Text(dtype),-9} {(batch is null ? "" : $"batch {batch}"),-9} {figure,-14} {value}");

    public static void PeakMemory()
    {
        using var process = Process.GetCurrentProcess();
        Line("process", null, null, "peak memory", $"{process.PeakWorkingSet64 / 1073741824.0:f2} GiB resident");
    }

    /// <summary>What was measured, as a file keeps it.</summary>
    public static Baseline Sitting() =>
        new(Machine(), ProductVersion.Text, DateTime.UtcNow.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture), Figures);

    /// <summary>Prints ratios to another sitting, and what got slower; how many did.</summary>
    public static int Against(Baseline baseline)
    {
        Console.WriteLine();
        Console.WriteLine($"Against {baseline.Version} of {baseline.Date} on {baseline.Machine}:");
        if (baseline.Machine != Machine())
            Console.WriteLine($"This machine is another one ({Machine()}): the ratios are of the machines too.");
        var compared = baseline.Compare(Figures);
        foreach (var (before, now, ratio) in compared)
            Console.WriteLine($"{ratio,6:f2} x  {now.Name}: {before.Value:g4} -> {now.Value:g4} {now.Unit}");
        var slower = compared.Where(c => c.Ratio < Baseline.Slower).ToArray();
        Console.WriteLine(
            compared.Count == 0 ? "No figure is in both."
            : slower.Length == 0 ? "Nothing got slower by more than 5 %."
            : $"Slower by more than 5 %: {string.Join("; ", slower.Select(c => $"{c.Now.Name} ({c.Ratio:f2})"))}"
        );
        return slower.Length;
    }

    private static string Text(torch.ScalarType? dtype) => dtype?.ToString().ToLowerInvariant() ?? "";

    private static string Machine()
    {
        const string Processors = "/proc/cpuinfo";
        var name = File.Exists(Processors)
            ? File.ReadLines(Processors).FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(':')[1].Trim()
            : null;
        return $"{name ?? System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture.ToString()}, {torch.get_num_threads()} threads";
    }
}
