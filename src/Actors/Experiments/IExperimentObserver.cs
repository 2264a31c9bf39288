using DfPO.Actors.Configuration;
using DfPO.Actors.Work;
using DfPO.Learner;
using DfPO.Models.Policies;
using DfPO.Tasks.Metrics;

namespace DfPO.Actors.Experiments;

/// <summary>Sees an experiment's progress; called one call at a time, never on an actor's thread, and must not throw.</summary>
public interface IExperimentObserver
{
    /// <summary>Weights are loaded and work begins, at <paramref name="iteration"/> finished iterations (0 unless resumed).</summary>
    void Started(ExperimentConfig config, int iteration);

    /// <summary>An evaluation is done.</summary>
    void Evaluated(EvaluationReport report);

    /// <summary>An iteration is done.</summary>
    void IterationFinished(IterationReport report);

    /// <summary>The workers of a role joined or left.</summary>
    void WorkersChanged(string role, int count);

    /// <summary>Units wait while no worker of their role is there.</summary>
    /// <param name="role">Role of the missing workers.</param>
    /// <param name="units">Units that wait.</param>
    /// <param name="waited">For so long by now.</param>
    /// <param name="patience">The run ends after so long.</param>
    void WorkersAwaited(string role, int units, TimeSpan waited, TimeSpan patience) { }

    /// <summary>Something happened to a worker, or the learner has learnt.</summary>
    /// <param name="what">What.</param>
    /// <param name="at">When.</param>
    void Happened(WorkEvent what, DateTimeOffset at) { }

    /// <summary>The run has ended well.</summary>
    void Finished(ExperimentResult result);
}

/// <summary>One split, scored with one decoding policy.</summary>
/// <param name="Split"><c>validation</c> or <c>test</c>.</param>
/// <param name="Policy">What decoded.</param>
/// <param name="Iteration">Finished iterations of the weights.</param>
/// <param name="Metrics">Figures.</param>
/// <param name="Samples">All continuations, in the order of the prompts.</param>
public sealed record EvaluationReport(
    string Split,
    DecodingPolicy Policy,
    int Iteration,
    GenerationMetrics Metrics,
    IReadOnlyList<Sample> Samples
)
{
    /// <summary>
    /// How sure the figures are, by their names in <see cref="GenerationMetrics.Figures"/>: 95 % intervals over the prompts.
    /// </summary>
    public IReadOnlyDictionary<string, Interval> Intervals { get; init; } = new Dictionary<string, Interval>();

    /// <summary>The text metrics that the experiment asks for, by name.</summary>
    public IReadOnlyDictionary<string, double> Texts { get; init; } = new Dictionary<string, double>();
}

/// <summary>One training iteration.</summary>
/// <param name="Iteration">From 1.</param>
/// <param name="Iterations">In all.</param>
/// <param name="Rollout">Figures of all of the iteration's training continuations; null where the objective rolls nothing out.</param>
/// <param name="Metrics">Everything measured, by metric name: the learner's, and <c>tokens_per_second</c>, <c>time/rollout</c>
/// (asynchronous: <c>time/wait_rollout</c>, <c>async/...</c>), <c>time/learn</c> (s), <c>guards/warnings</c>.</param>
/// <param name="TokensPerSecond">Tokens learnt from a second of the rollout phase; asynchronous, or without rollouts: of the
/// iteration.</param>
/// <param name="Elapsed">Time since the start or resume.</param>
/// <param name="Remaining">Estimate to the end of training.</param>
public sealed record IterationReport(
    int Iteration,
    int Iterations,
    GenerationMetrics? Rollout,
    IReadOnlyDictionary<string, double> Metrics,
    double TokensPerSecond,
    TimeSpan Elapsed,
    TimeSpan Remaining
)
{
    /// <summary>Guards that went off and were configured to warn.</summary>
    public IReadOnlyList<LearnerWarning> Warnings { get; init; } = [];

    /// <summary>The continuations that were learnt from, where <see cref="RecordOptions.Rollouts"/> asks for them; else empty.</summary>
    public IReadOnlyList<TrainingSample> Samples { get; init; } = [];
}

/// <summary>How a run ended.</summary>
/// <param name="BestIteration">Iteration whose weights had the best validation reward; 0 are the initial weights.</param>
/// <param name="Before">Test figures of the initial weights.</param>
/// <param name="After">Test figures of the best weights, one report a decoding policy (<c>pi_theta</c>, then <c>pi-</c>).</param>
/// <param name="WeightsDigest">SHA-256 of the final (not the best) policy weights.</param>
public sealed record ExperimentResult(
    int BestIteration,
    EvaluationReport Before,
    IReadOnlyList<EvaluationReport> After,
    string WeightsDigest
);
