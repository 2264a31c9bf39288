using DfPO.Actors.Configuration;
using DfPO.Actors.Experiments;
using DfPO.Host.Runs;
using DfPO.Models;

namespace DfPO.Host.Tracking;

/// <summary>Makes the trackers that an experiment asks for.</summary>
internal static class Trackers
{
    private const string Server = "MLFLOW_TRACKING_URI";
    private const string Experiment = "MLFLOW_EXPERIMENT_NAME";

    /// <summary>The trackers.</summary>
    /// <param name="config">The experiment.</param>
    /// <param name="folder">The run's folder.</param>
    /// <param name="variable">Value of an environment variable.</param>
    /// <param name="say">Takes lines for the user.</param>
    /// <exception cref="DfpoException"><c>tracking/mlflow</c>: the server's address is not given.</exception>
    public static IReadOnlyList<IExperimentObserver> Of(
        ExperimentConfig config,
        RunFolder folder,
        Func<string, string?> variable,
        Action<string> say
    ) =>
        [
            .. config
                .Tracking.Distinct()
                .Select(kind =>
                    kind switch
                    {
                        TrackerKind.Tensorboard => (IExperimentObserver)new TensorboardTracker(folder),
                        _ => new MlflowTracker(
                            folder,
                            new MlflowClient(Address(variable(Server)), variable),
                            variable(Experiment) is { Length: > 0 } name ? name : config.Name,
                            TimeProvider.System,
                            say
                        ),
                    }
                ),
        ];

    private static Uri Address(string? text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var address) && address.Scheme is "http" or "https"
            ? address
            : throw new DfpoException(
                "tracking/mlflow",
                $"'tracking' names mlflow, but the environment variable {Server} is '{text}': set it to the server's address, such as http://localhost:5000."
            );
}
