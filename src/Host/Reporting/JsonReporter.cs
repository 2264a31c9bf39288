using System.Text.Json.Nodes;
using DfPO.Actors.Configuration;
using DfPO.Actors.Experiments;
using DfPO.Host.Configuration;
using DfPO.Host.Runs;

namespace DfPO.Host.Reporting;

/// <summary>One JSON object a line for everything that happens; for programs.</summary>
/// <param name="output">Where lines go.</param>
/// <param name="folder">The run's folder; null when there is none.</param>
public sealed class JsonReporter(TextWriter output, string? folder = null) : IExperimentObserver
{
    /// <inheritdoc/>
    public void Started(ExperimentConfig config, int iteration) =>
        Write(
            new JsonObject
            {
                ["type"] = "started",
                ["name"] = config.Name,
                ["iteration"] = iteration,
                ["iterations"] = config.Iterations,
                ["config_sha256"] = ResolvedConfig.Digest(config),
                ["folder"] = folder,
            }
        );

    /// <inheritdoc/>
    public void Evaluated(EvaluationReport report) => Write(RunLines.Of(report));

    /// <inheritdoc/>
    public void IterationFinished(IterationReport report)
    {
        foreach (var warning in report.Warnings)
            Write(RunLines.Of(report.Iteration, warning));
        Write(RunLines.Of(report));
    }

    /// <inheritdoc/>
    public void WorkersChanged(string role, int count) =>
        Write(
            new JsonObject
            {
                ["type"] = "workers",
                ["role"] = role,
                ["count"] = count,
            }
        );

    /// <inheritdoc/>
    public void WorkersAwaited(string role, int units, TimeSpan waited, TimeSpan patience) =>
        Write(
            new JsonObject
            {
                ["type"] = "waiting",
                ["role"] = role,
                ["units"] = units,
                ["waited_s"] = waited.TotalSeconds,
                ["patience_s"] = patience.TotalSeconds,
            }
        );

    /// <inheritdoc/>
    public void Finished(ExperimentResult result) => Write(RunLines.Of(result));

    private void Write(JsonObject line)
    {
        output.WriteLine(line.ToJsonString(JsonLinesFile.Format));
        output.Flush();
    }
}
