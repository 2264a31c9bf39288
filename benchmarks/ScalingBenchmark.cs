using System.Text.Json.Nodes;
using DfPO.Models;
using DfPO.Tests.Support;

namespace DfPO.Benchmarks;

/// <summary>Iterations of the default experiment with one, two and four worker processes on this machine.</summary>
internal static class ScalingBenchmark
{
    private static readonly string[] s_settings =
    [
        "iterations=8",
        "rollout.unit-size=8",
        "rollout.threads=1",
        "learner.value-warmup-iterations=0",
        "evaluation.every=100",
        "evaluation.samples-per-prompt=1",
    ];

    public static void Run()
    {
        var root = Directory.CreateTempSubdirectory("dfpo-benchmark").FullName;
        try
        {
            foreach (var workers in new[] { 1, 2, 4 })
            {
                var runs = Path.Combine(root, $"{workers}");
                using var run = RunningDfpo.Start([
                    "run",
                    Repository.Path("hocon/experiments/imdb-tiny.conf"),
                    "--runs-dir",
                    runs,
                    "--port",
                    "0",
                    "--workers",
                    $"{workers}",
                    .. s_settings.SelectMany(s => new[] { "--set", s }),
                ]);
                if (run.Exit().GetAwaiter().GetResult() != 0)
                    throw new DfpoException("scaling/run", $"The run with {workers} workers failed:\n{run.Text}");
                // The first two iterations wait for workers to start and warm up.
                var iterations = File.ReadLines(Path.Combine(Directory.GetDirectories(runs).Single(), "metrics.jsonl"))
                    .Select(line => JsonNode.Parse(line)!)
                    .Where(line => (string?)line["type"] == "iteration")
                    .Skip(2)
                    .ToArray();
                double Median(string name) => iterations.Select(line => (double)line[name]!).Order().ElementAt(iterations.Length / 2);
                Report.Line(
                    "imdb-tiny",
                    null,
                    null,
                    $"{workers} workers",
                    $"rollout and reward {Median("time/rollout"):f2} s, update {Median("time/learn"):f2} s an iteration (medians of {iterations.Length})"
                );
            }
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }
}
