using DfPO.Actors.Configuration;
using DfPO.Actors.Experiments;
using DfPO.Host.Runs;

namespace DfPO.Host.Reporting;

/// <summary>Keeps the continuations that a run learns from, in its folder.</summary>
/// <param name="folder">The run's folder.</param>
public sealed class RolloutRecorder(RunFolder folder) : IExperimentObserver
{
    private IReadOnlyList<string> _terms = [];
    private long _most;

    /// <inheritdoc/>
    public void Started(ExperimentConfig config, int iteration)
    {
        _terms = [.. config.Task.Reward.Terms.Select(term => Kebab.Of($"{term}"))];
        _most = config.Record.MaxSize * 1_000_000L;
    }

    /// <inheritdoc/>
    public void Evaluated(EvaluationReport report) { }

    /// <inheritdoc/>
    public void IterationFinished(IterationReport report)
    {
        if (report.Samples.Count > 0)
            folder.Rollouts.Write(report.Iteration, report.Samples, _terms, _most);
    }

    /// <inheritdoc/>
    public void WorkersChanged(string role, int count) { }

    /// <inheritdoc/>
    public void Finished(ExperimentResult result) { }
}
