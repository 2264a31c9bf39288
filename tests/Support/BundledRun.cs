using System.Text.Json.Nodes;

namespace DfPO.Tests.Support;

/// <summary>The default experiment on the bundled model, cut down to seconds.</summary>
internal static class BundledRun
{
    public const int Iterations = 6;

    private static readonly string[] s_settings =
    [
        $"iterations={Iterations}",
        "rollout.prompts-per-iteration=16",
        "rollout.unit-size=4",
        "rollout.threads=1",
        "rollout.generation.max-new-tokens=8",
        "rollout.generation.min-new-tokens=8",
        "learner.epochs=1",
        "learner.value-warmup-iterations=0",
        "learner.warmup-steps=0",
        "evaluation.every=100",
        "evaluation.samples-per-prompt=1",
        "evaluation.test-samples-per-prompt=1",
        "checkpoint.every=1",
    ];

    /// <summary>Command line.</summary>
    /// <param name="runs">Folder that the run's folder is made in.</param>
    /// <param name="port">Port of the cluster; 0 for a free one.</param>
    /// <param name="more">Further arguments.</param>
    public static string[] Arguments(string runs, int port, params string[] more) =>
        [
            "run",
            Repository.Path("hocon/experiments/imdb-tiny.conf"),
            "--runs-dir",
            runs,
            "--port",
            $"{port}",
            .. s_settings.SelectMany(setting => new[] { "--set", setting }),
            .. more,
        ];

    /// <summary>Digest of a finished run's final weights.</summary>
    public static string Digest(string runFolder) =>
        (string)JsonNode.Parse(File.ReadAllText(Path.Combine(runFolder, "result.json")))!["weights_digest"]!;

    /// <summary>The iterations in the run's record, in its order: each once and in sequence, whatever happened on the way.</summary>
    public static IReadOnlyList<int> RecordedIterations(string runFolder) =>
        [
            .. File.ReadLines(Path.Combine(runFolder, "metrics.jsonl"))
                .Select(line => JsonNode.Parse(line)!)
                .Where(line => (string?)line["type"] == "iteration")
                .Select(line => (int)line["iteration"]!),
        ];
}
