using DfPO.Actors.Experiments;
using DfPO.Host.Runs;
using DfPO.Host.Telemetry;

namespace DfPO.Host.Composition;

/// <summary>Composes and runs an experiment.</summary>
public static class ExperimentHost
{
    /// <summary>Runs to the end.</summary>
    /// <param name="options">How to run.</param>
    /// <param name="config">What to run.</param>
    /// <param name="folder">Receives checkpoints and the best weights.</param>
    /// <param name="observer">Sees the progress.</param>
    /// <param name="telemetry">Where spans, metrics and logs go.</param>
    /// <param name="cancellation">Stops it between two steps.</param>
    public static Task Run(RunOptions options, ExperimentConfig config, RunFolder folder, IExperimentObserver observer, HostTelemetry telemetry, CancellationToken cancellation) => throw new NotImplementedException();
}
