using System.Text.Json.Nodes;
using DfPO.Actors.Configuration;
using DfPO.Actors.Experiments;
using DfPO.Actors.Work;
using DfPO.Host.Runs;

namespace DfPO.Host.Reporting;

/// <summary>
/// Writes down who worked for a run: a line an event into <c>cluster.jsonl</c>, whose older lines give way to a summary of everybody.
/// </summary>
/// <param name="folder">The run's folder.</param>
/// <param name="most">Bytes at which the older lines go.</param>
public sealed class ClusterRecorder(RunFolder folder, long most = 4_000_000) : IExperimentObserver
{
    private readonly ClusterView _view = new();
    private long _written;

    /// <inheritdoc/>
    public void Started(ExperimentConfig config, int iteration)
    {
        // Workers may have joined before the learner had loaded its models.
        JsonObject[] before = [.. _view.Workers.Select(worker => worker.ToJson())];
        JsonLinesFile.Keep(folder.Cluster, _ => true);
        Write(new JsonObject { ["event"] = "started", ["iteration"] = iteration });
        Write(new JsonObject { ["event"] = "snapshot", ["workers"] = new JsonArray(before) });
        _written = new FileInfo(folder.Cluster).Length;
        _started = true;
    }

    private bool _started;

    /// <inheritdoc/>
    public void Evaluated(EvaluationReport report) { }

    /// <inheritdoc/>
    public void IterationFinished(IterationReport report) { }

    /// <inheritdoc/>
    public void WorkersChanged(string role, int count) { }

    /// <inheritdoc/>
    public void Happened(WorkEvent what, DateTimeOffset at)
    {
        var line = new JsonObject
        {
            ["t"] = at.ToUnixTimeMilliseconds(),
            ["event"] = Kebab.Of($"{what.Kind}"),
            ["role"] = what.Role,
            ["worker"] = what.Worker,
        };
        if (what.Device.Length > 0)
            line["device"] = what.Device;
        if (what.Unit.Length > 0)
            line["unit"] = what.Unit;
        if (what.Version is { } version)
            line["version"] = version;
        if (what.Count > 0)
            line["count"] = what.Count;
        if (what.Took is { } took)
            line["ms"] = (long)took.TotalMilliseconds;
        if (what.Reason.Length > 0)
            line["reason"] = what.Reason;
        _view.Take(line);
        if (_started)
            Write(line);
    }

    /// <inheritdoc/>
    public void Finished(ExperimentResult result) { }

    private void Write(JsonObject line)
    {
        var text = line.ToJsonString(JsonLinesFile.Format) + "\n";
        File.AppendAllText(folder.Cluster, text);
        _written += text.Length;
        if (_written > most)
            Shorten();
    }

    /// <summary>Keeps the last quarter of the file, behind a summary of all that was.</summary>
    private void Shorten()
    {
        var lines = File.ReadAllLines(folder.Cluster);
        string[] last = [.. lines[(3 * lines.Length / 4)..].Where(line => line.Contains("\"done\"", StringComparison.Ordinal))];
        // Counts are in the summary: the lines that stay draw the timeline alone.
        var summary = new JsonObject
        {
            ["event"] = "snapshot",
            ["workers"] = new JsonArray([.. _view.Workers.Select(worker => (JsonNode)worker.ToJson())]),
        };
        File.WriteAllLines(folder.Cluster + ".partial", [.. last, summary.ToJsonString(JsonLinesFile.Format)]);
        File.Move(folder.Cluster + ".partial", folder.Cluster, overwrite: true);
        _written = new FileInfo(folder.Cluster).Length;
    }
}
