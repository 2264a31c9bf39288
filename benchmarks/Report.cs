using System.Diagnostics;
using TorchSharp;

namespace DfPO.Benchmarks;

/// <summary>One line a figure.</summary>
internal static class Report
{
    public static void Line(string model, torch.ScalarType? dtype, int? batch, string figure, string value) =>
        Console.WriteLine(
            $"{model,-22} {dtype?.ToString().ToLowerInvariant(),-9} {(batch is null ? "" : $"batch {batch}"),-9} {figure,-14} {value}"
        );

    public static void PeakMemory()
    {
        using var process = Process.GetCurrentProcess();
        Line("process", null, null, "peak memory", $"{process.PeakWorkingSet64 / 1073741824.0:f2} GiB resident");
    }
}
