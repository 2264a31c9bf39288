using DfPO.Actors.Configuration;
using DfPO.Actors.Experiments;
using DfPO.Host.Composition;
using DfPO.Host.Reporting;
using DfPO.Host.Runs;
using DfPO.Host.Telemetry;
using DfPO.Host.Tracking;

namespace DfPO.Host.Commands;

/// <summary>What <c>run</c> and a standby have in common: display, record, telemetry, and the last word.</summary>
internal static class RunSession
{
    /// <summary>Runs the experiment of a folder to its end.</summary>
    /// <param name="options">What <c>dfpo run</c> was told.</param>
    /// <param name="config">The experiment.</param>
    /// <param name="folder">The run's folder.</param>
    /// <param name="cancellation">Ends the run after the step in hand.</param>
    /// <param name="goOn">What to do about a run that was stopped; null resumes it.</param>
    /// <returns>Exit code.</returns>
    public static async Task<int> Execute(
        RunOptions options,
        ExperimentConfig config,
        RunFolder folder,
        CancellationToken cancellation,
        string? goOn = null
    )
    {
        using var telemetry = HostTelemetry.Start("run");
        IExperimentObserver? display = null;
        var trackers = Trackers.Of(
            config,
            folder,
            Environment.GetEnvironmentVariable,
            line => Console.Error.WriteLine($"dfpo: {line}")
        );
        IExperimentObserver Observe()
        {
            display = Displays.Create(options, folder.Path);
            var recorder = new RunRecorder(folder);
            // Continuations before metrics: who sees the line of an iteration finds them.
            return new CompositeObserver(
                Console.Error,
                [new RolloutRecorder(folder), new ClusterRecorder(folder), recorder, new MetricsObserver(), display, .. trackers]
            )
            {
                Essential = recorder,
            };
        }
        void Conclude(ExperimentResult result) => RunRecorder.Conclude(folder, config.Evaluation, result);
        try
        {
            var run = RunInputs.Require(folder, config);
            if (await ExperimentHost.Run(options, config, folder, run, Observe, Conclude, telemetry, cancellation) is null)
                Console.Error.WriteLine($"dfpo: the run has been finished by another process: {folder.Path}");
            return 0;
        }
        catch (OperationCanceledException)
        {
            (display as IDisposable)?.Dispose();
            Console.Error.WriteLine($"dfpo: stopped; {goOn ?? $"go on with: dfpo run --resume {folder.Path}"}");
            throw;
        }
        finally
        {
            (display as IDisposable)?.Dispose();
            foreach (var tracker in trackers.OfType<IDisposable>())
                tracker.Dispose();
        }
    }
}
