using System.Text.Json;
using System.Text.Json.Nodes;
using DfPO.Actors.Configuration;
using DfPO.Actors.Experiments;
using DfPO.Host.Runs;
using TorchSharp.Modules;
using static TorchSharp.torch.utils;

namespace DfPO.Host.Tracking;

/// <summary>
/// Writes a run's metrics as TensorBoard's event files, with the names that they have in <c>metrics.jsonl</c> and the iteration as step. A
/// resumed run writes what came before anew.
/// </summary>
/// <param name="folder">The run's folder.</param>
internal sealed class TensorboardTracker(RunFolder folder) : IExperimentObserver
{
    private SummaryWriter? _writer;

    /// <inheritdoc/>
    public void Started(ExperimentConfig config, int iteration)
    {
        if (Directory.Exists(folder.Tensorboard))
            Directory.Delete(folder.Tensorboard, recursive: true);
        Directory.CreateDirectory(folder.Tensorboard);
        _writer = tensorboard.SummaryWriter(folder.Tensorboard);
        foreach (var line in File.Exists(folder.Metrics) ? JsonLinesFile.Whole(folder.Metrics) : [])
            Write(line);
    }

    /// <inheritdoc/>
    public void Evaluated(EvaluationReport report) => Write(RunLines.Of(report));

    /// <inheritdoc/>
    public void IterationFinished(IterationReport report) => Write(RunLines.Of(report));

    /// <inheritdoc/>
    public void WorkersChanged(string role, int count) { }

    /// <inheritdoc/>
    public void Finished(ExperimentResult result) { }

    private void Write(JsonObject line)
    {
        foreach (var (name, value) in line)
            if (name != "iteration" && value?.GetValueKind() == JsonValueKind.Number)
                _writer!.add_scalar(name, (float)(double)value, (int)line["iteration"]!);
    }
}
