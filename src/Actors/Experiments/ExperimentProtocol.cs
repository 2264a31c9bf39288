using Akka.Actor;

namespace DfPO.Actors.Experiments;

/// <summary>Between the host and the experiment of its process.</summary>
public static class ExperimentProtocol
{
    /// <summary>Run to the end; answered by <see cref="ExperimentResult"/> or <see cref="Status.Failure"/>.</summary>
    public sealed record RunExperiment(CancellationToken Cancellation) : INoSerializationVerificationNeeded;

    /// <summary>Names of the experiment's actors, which remote workers find their queues by.</summary>
    public const string ActorName = "experiment";

    /// <summary>Path of a role's queue under the learner's node.</summary>
    public static string QueuePath(string role) => $"/user/{ActorName}/{role}";

    /// <summary>Name of the experiment below its cluster singleton's manager.</summary>
    public const string SingletonName = "singleton";

    /// <summary>What other nodes select by path: the queues, and the singleton's manager in a hand-over. Everything else is reached by reference.</summary>
    public static IReadOnlyList<string> SelectedPaths { get; } =
    [
        $"/user/{ActorName}", $"/user/{ActorName}/{SingletonName}",
        .. new[] { ClusterRoles.Rollout, ClusterRoles.Reward }.SelectMany(role => new[] { QueuePath(role), $"/user/{ActorName}/{SingletonName}/{role}" }),
    ];
}
