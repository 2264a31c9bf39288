using System.Text.Json;
using System.Text.Json.Nodes;
using DfPO.Actors.Configuration;
using DfPO.Actors.Experiments;
using DfPO.Host.Configuration;
using DfPO.Host.Runs;
using DfPO.Models;

namespace DfPO.Host.Tracking;

/// <summary>
/// Sends a run's configuration as parameters, its metrics, and at the end its small files to an MLflow server. What cannot be sent is sent
/// with the next figures; a server that is gone for too long is given up. A resumed run goes on with its MLflow run.
/// </summary>
/// <param name="folder">The run's folder.</param>
/// <param name="client">The server.</param>
/// <param name="experiment">Name of the MLflow experiment.</param>
/// <param name="time">The clock.</param>
/// <param name="say">Takes a line for the user.</param>
internal sealed class MlflowTracker(RunFolder folder, MlflowClient client, string experiment, TimeProvider time, Action<string> say)
    : IExperimentObserver,
        IDisposable
{
    private const int Patience = 5;
    private const int LongestValue = 500;
    private readonly List<JsonObject> _waiting = [];
    private string _run = "";
    private string _artifacts = "";
    private int _failures;
    private bool _ended;

    private string Known => Path.Combine(folder.Path, "mlflow.json");

    /// <inheritdoc/>
    public void Started(ExperimentConfig config, int iteration)
    {
        if (File.Exists(Known))
        {
            var known = JsonNode.Parse(File.ReadAllText(Known))!;
            (_run, _artifacts) = ((string)known["run_id"]!, (string)known["artifact_uri"]!);
            client.Update(_run, "RUNNING", null);
            return;
        }
        (_run, _artifacts) = client.Create(
            client.Experiment(experiment),
            Path.GetFileName(folder.Path),
            Now,
            [("mlflow.source.name", "dfpo"), ("dfpo.version", RunVersions.Dfpo)]
        );
        RunFolder.WriteJson(Known, new JsonObject { ["run_id"] = _run, ["artifact_uri"] = _artifacts });
        var parameters = HoconFile
            .Parse(ResolvedConfig.Write(config), "the configuration")
            .Leaves()
            .Select(leaf => (leaf.Key, leaf.Value.Text.Length <= LongestValue ? leaf.Value.Text : leaf.Value.Text[..LongestValue]));
        foreach (var some in parameters.Chunk(MlflowClient.MostParameters))
            client.Log(_run, [], some);
    }

    /// <inheritdoc/>
    public void Evaluated(EvaluationReport report) => Take(RunLines.Of(report));

    /// <inheritdoc/>
    public void IterationFinished(IterationReport report) => Take(RunLines.Of(report));

    /// <inheritdoc/>
    public void WorkersChanged(string role, int count) { }

    /// <inheritdoc/>
    public void Finished(ExperimentResult result)
    {
        _failures = Patience;
        Send();
        _ended = true;
    }

    /// <summary>Sends the files of a run that has ended well; ends one that was interrupted, which may be resumed.</summary>
    public void Dispose()
    {
        try
        {
            if (_run.Length > 0)
                End();
        }
        catch (DfpoException e)
        {
            say(e.Message);
        }
        client.Dispose();
    }

    private void End()
    {
        // The result is the last that a run writes.
        var finished = _ended && File.Exists(folder.Result);
        if (finished)
            foreach (var file in new[] { folder.Config, folder.Result, Path.Combine(folder.Path, "versions.json"), folder.Metrics })
                if (File.Exists(file) && !client.Store(_artifacts, file))
                {
                    say($"MLflow keeps its artefacts at {_artifacts}, where only its own client can write: no file was sent.");
                    break;
                }
        client.Update(_run, finished ? "FINISHED" : "KILLED", Now);
    }

    private long Now => time.GetUtcNow().ToUnixTimeMilliseconds();

    private void Take(JsonObject line)
    {
        foreach (var (name, value) in line)
            if (name != "iteration" && value?.GetValueKind() == JsonValueKind.Number)
                _waiting.Add(
                    new JsonObject
                    {
                        ["key"] = name,
                        ["value"] = (double)value,
                        ["timestamp"] = Now,
                        ["step"] = (int)line["iteration"]!,
                    }
                );
        Send();
    }

    private void Send()
    {
        try
        {
            while (_waiting.Count > 0)
            {
                var some = _waiting.Take(MlflowClient.MostMetrics).ToArray();
                client.Log(_run, some.Select(metric => metric.DeepClone().AsObject()), []);
                _waiting.RemoveRange(0, some.Length);
            }
            _failures = 0;
        }
        catch (DfpoException) when (++_failures < Patience) { }
    }
}
