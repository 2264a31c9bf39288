using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using DfPO.Actors.Files;
using DfPO.Host.Configuration;
using DfPO.Host.Runs;
using DfPO.Host.Studies;
using DfPO.Models;
using DfPO.Models.Policies;
using DfPO.Tasks.Metrics;

namespace DfPO.Host.Store;

/// <summary>What a run's folder says about it.</summary>
/// <param name="Path">The folder.</param>
/// <param name="Config">The resolved configuration by dotted keys.</param>
/// <param name="Versions">Content of <c>versions.json</c>; empty when it is not there.</param>
/// <param name="Result">Content of <c>result.json</c>; null before the run has ended.</param>
/// <param name="Lines">Content of <c>metrics.jsonl</c>.</param>
/// <param name="Outcome">Why it was ended before it had a result, when it is a study's trial that was.</param>
internal sealed record RunRecord(
    string Path,
    IReadOnlyDictionary<string, string> Config,
    JsonObject Versions,
    JsonObject? Result,
    IReadOnlyList<JsonObject> Lines,
    TrialOutcome? Outcome
)
{
    /// <summary>
    /// Where it stands: <c>finished</c>, <c>stopped</c> by halving, <c>failed</c>, or <c>unfinished</c>, which may go on.
    /// </summary>
    public string Standing =>
        Result is not null
            ? "finished"
            : Outcome?.Status switch
            {
                TrialStatus.Stopped => "stopped",
                TrialStatus.Failed => "failed",
                _ => "unfinished",
            };

    /// <summary>Why it was stopped or failed; else empty.</summary>
    public string Note => Result is null ? Outcome?.Note ?? "" : "";

    /// <summary>Name of the folder.</summary>
    public string Name => System.IO.Path.GetFileName(Path);

    /// <summary>A key of the configuration; empty when the run had none of that name.</summary>
    public string Setting(string key) => Config.GetValueOrDefault(key, "");

    /// <summary>Finished iterations.</summary>
    public int Iterations =>
        Lines.Where(line => (string?)line["type"] == "iteration").Select(line => (int)line["iteration"]!).DefaultIfEmpty(0).Max();

    /// <summary>
    /// Every figure of the metrics with its iteration, in the order of the file. What is not a finite number is left out.
    /// </summary>
    public IEnumerable<(string Metric, int Iteration, double Value)> Points() =>
        from line in Lines
        from field in line
        where field.Key is not "iteration" && field.Value?.GetValueKind() == JsonValueKind.Number
        select (field.Key, (int)line["iteration"]!, (double)field.Value!);

    /// <summary>
    /// How sure the figures on held-out prompts are, by <c>policy/metric</c>; empty for those of versions that did not say.
    /// </summary>
    public IReadOnlyDictionary<string, Interval> Intervals() =>
        (
            from row in Rows()
            from field in row.Figures?["intervals"] as JsonObject ?? []
            where field.Value is JsonArray { Count: 2 } && row.Figures![field.Key]?.GetValueKind() == JsonValueKind.Number
            select (
                $"{row.Policy}/{field.Key}",
                new Interval((double)row.Figures![field.Key]!, (double)field.Value![0]!, (double)field.Value[1]!)
            )
        ).ToDictionary();

    /// <summary>
    /// The figures on held-out prompts: <c>before</c> training, and after it under each decoding policy. Empty before the run has ended.
    /// </summary>
    public IEnumerable<(string Policy, string Metric, double Value)> Figures() =>
        from row in Rows()
        from field in row.Figures as JsonObject ?? []
        where field.Key is not "iteration" && field.Value?.GetValueKind() == JsonValueKind.Number
        select (row.Policy, field.Key, (double)field.Value!);

    private IEnumerable<(string Policy, JsonNode? Figures)> Rows() =>
        Result is null
            ? []
            :
            [
                ("before", Result["before"]),
                .. (Result["after"] as JsonArray ?? []).Select(after => ((string?)after?["policy"] ?? "", after)),
            ];

    /// <summary>Iteration whose weights were tested; 0 before the run has ended.</summary>
    public int BestIteration => (int?)Result?["best_iteration"] ?? 0;

    /// <summary>
    /// The continuations of test prompts by decoding policy, of the weights that were tested, and under <c>before</c> those before
    /// training.
    /// </summary>
    public IReadOnlyDictionary<string, Sample[]> TestSamples()
    {
        JsonObject[] lines = [.. Samples().Where(line => (string?)line["split"] == "test")];
        return lines
            .Where(line => (int?)line["iteration"] == BestIteration)
            .Select(line => (Policy: (string?)line["policy"] ?? "", Line: line))
            .Concat(
                lines
                    .Where(line => (int?)line["iteration"] == 0 && (string?)line["policy"] == DecodingPolicy.Policy.Name())
                    .Select(line => (Policy: "before", Line: line))
            )
            .GroupBy(entry => entry.Policy, entry => RunLines.Sample(entry.Line))
            .ToDictionary(policy => policy.Key, policy => policy.ToArray());
    }

    /// <summary>The continuations of evaluations, one object each.</summary>
    public IReadOnlyList<JsonObject> Samples() => Read(System.IO.Path.Combine(Path, "samples.jsonl"));

    /// <summary>Reads a folder. A last line that is still being written, or that a crash cut short, is left out.</summary>
    /// <exception cref="DfpoException"><c>config/resume</c>: not a run's folder; <c>run/corrupt</c>: a file of it cannot be
    /// read.</exception>
    public static RunRecord Open(string path)
    {
        var folder = RunFolder.Open(path);
        return new(
            folder.Path,
            HoconFile.Read(folder.Config).Leaves().ToDictionary(leaf => leaf.Key, leaf => leaf.Value.Text),
            Object(System.IO.Path.Combine(folder.Path, "versions.json")) ?? [],
            Object(folder.Result),
            Read(folder.Metrics),
            TrialOutcome.Read(System.IO.Path.GetDirectoryName(folder.Path)!)
        );
    }

    /// <summary>Changes whenever one of the files does.</summary>
    public static string Stamp(string path) =>
        string.Join(
            " ",
            new[] { "experiment.conf", "metrics.jsonl", "result.json", "versions.json" }
                .Select(name => System.IO.Path.Combine(path, name))
                .Append(TrialOutcome.FileIn(System.IO.Path.GetDirectoryName(path)!))
                .Select(file => new FileInfo(file))
                .Select(file =>
                    file.Exists ? string.Create(CultureInfo.InvariantCulture, $"{file.Length}@{file.LastWriteTimeUtc.Ticks}") : "-"
                )
        );

    private static JsonObject? Object(string path)
    {
        try
        {
            return File.Exists(path)
                ? JsonNode.Parse(File.ReadAllText(path)) as JsonObject ?? throw new JsonException("it is not an object")
                : null;
        }
        catch (JsonException e)
        {
            throw Corrupt(path, e);
        }
    }

    private static IReadOnlyList<JsonObject> Read(string path)
    {
        if (!File.Exists(path))
            return [];
        return [.. JsonLines.Read(File.ReadAllLines(path), Line, (number, e) => Corrupt($"{path} line {number}", e))];

        static JsonObject Line(string text) =>
            JsonLinesFile.Parse(text) is var line && line["iteration"]?.GetValueKind() == JsonValueKind.Number
                ? line
                : throw new JsonException("it is not an object with an iteration");
    }

    private static DfpoException Corrupt(string where, JsonException e) =>
        new("run/corrupt", $"'{where}' cannot be read ({e.Message}): put an undamaged copy back, or move the run's folder away.", e);
}
