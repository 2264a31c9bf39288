using DfPO.Actors.Configuration;
using DfPO.Actors.Experiments;

namespace DfPO.Benchmarks;

/// <summary>Takes the time of each iteration.</summary>
internal sealed class IterationClock : IExperimentObserver
{
    /// <summary>Rollout, reward and update of each iteration, seconds.</summary>
    public List<double> Seconds { get; } = [];

    /// <summary>The update's part of each, seconds.</summary>
    public List<double> Learning { get; } = [];

    public void Started(ExperimentConfig config, int iteration) { }

    public void Evaluated(EvaluationReport report) { }

    public void IterationFinished(IterationReport report)
    {
        Learning.Add(report.Metrics["time/learn"]);
        Seconds.Add(report.Metrics["time/rollout"] + report.Metrics["time/learn"]);
    }

    public void WorkersChanged(string role, int count) { }

    public void Finished(ExperimentResult result) { }
}
