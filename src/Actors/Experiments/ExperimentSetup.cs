using DfPO.Actors.Configuration;
using DfPO.Actors.Weights;

namespace DfPO.Actors.Experiments;

/// <summary>What the process that runs an experiment, or stands by to run it, gives to its actor.</summary>
/// <param name="Config">A validated experiment.</param>
/// <param name="Identity">Which run it is.</param>
/// <param name="Store">Where the learner publishes; its base address is known.</param>
/// <param name="RunFolder">The run's folder.</param>
/// <param name="Observe">Makes the observer once this process has become the learner.</param>
/// <param name="Configure">The configuration that counts, once the run's lock is held: what this process was told is written down, or what
/// another learner has written is read.</param>
/// <param name="IsFinished">Whether the folder holds the result of a finished run, which a standby must not begin again.</param>
/// <param name="Conclude">Writes the result down, while the lock is held still.</param>
/// <param name="LockPatience">How long to wait for the run's lock.</param>
/// <param name="Cancellation">Ends the run after the step in hand, with a resumable state.</param>
public sealed record ExperimentSetup(
    ExperimentConfig Config,
    RunIdentity Identity,
    WeightsStore Store,
    string RunFolder,
    Func<IExperimentObserver> Observe,
    Func<ExperimentConfig> Configure,
    Func<ExperimentConfig, bool> IsFinished,
    Action<ExperimentResult> Conclude,
    TimeSpan LockPatience,
    CancellationToken Cancellation
)
{
    /// <summary>Completes when this process has become the learner.</summary>
    public TaskCompletionSource Activated { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes with the result, or null when the run had been finished by another process.</summary>
    public TaskCompletionSource<ExperimentResult?> Ended { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
}
