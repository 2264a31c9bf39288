using DfPO.Host.Telemetry;

namespace DfPO.Host.Composition;

/// <summary>Composes and runs a worker.</summary>
public static class WorkerHost
{
    /// <summary>Works until the experiment ends or the process is told to stop.</summary>
    public static Task Run(WorkerOptions options, HostTelemetry telemetry, CancellationToken cancellation) => throw new NotImplementedException();
}
