using System.Text.Json.Nodes;
using DfPO.Actors.Configuration;
using DfPO.Actors.Experiments;
using DfPO.Host.Runs;
using DfPO.Models.Policies;

namespace DfPO.Host.Reporting;

/// <summary>Writes a run's metrics and samples into its folder.</summary>
/// <param name="folder">The run's folder.</param>
public sealed class RunRecorder(RunFolder folder) : IExperimentObserver
{
    private readonly HashSet<string> _evaluated = [];

    /// <inheritdoc/>
    public void Started(ExperimentConfig config, int iteration)
    {
        folder.KeepUpTo(iteration);
        // A resumed run may evaluate the iteration of its checkpoint again, with the same outcome.
        JsonLinesFile.Keep(folder.Metrics, line =>
        {
            if ((string?)line["type"] == "evaluation")
                _evaluated.Add(Key((string?)line["split"], (string?)line["policy"], (int?)line["iteration"]));
            return true;
        });
    }

    /// <inheritdoc/>
    public void Evaluated(EvaluationReport report)
    {
        if (!_evaluated.Add(Key(report.Split, report.Policy.Name(), report.Iteration)))
            return;
        JsonLinesFile.Append(folder.Samples, report.Samples.Select(sample => RunLines.Of(report, sample)));
        JsonLinesFile.Append(folder.Metrics, [RunLines.Of(report)]);
    }

    /// <inheritdoc/>
    public void IterationFinished(IterationReport report)
    {
        folder.GoesOn();
        JsonLinesFile.Append(
            folder.Metrics,
            [.. report.Warnings.Select(warning => RunLines.Of(report.Iteration, warning)), RunLines.Of(report)]
        );
    }

    /// <inheritdoc/>
    public void WorkersChanged(string role, int count) { }

    /// <inheritdoc/>
    public void Finished(ExperimentResult result) { }

    /// <summary>Writes the result, which makes the run a finished one. It is no event: without it the run ends with an error.</summary>
    public static void Conclude(RunFolder folder, EvaluationOptions how, ExperimentResult result)
    {
        var json = RunLines.Of(result);
        json["verdict"] = new JsonArray([
            .. result.After.Select(after => (JsonNode)Verdict.Of(result.Before, after, how.EquivalenceMargin).Sentence),
        ]);
        RunFolder.WriteJson(folder.Result, json);
    }

    private static string Key(string? split, string? policy, int? iteration) => $"{split}/{policy}/{iteration}";
}
