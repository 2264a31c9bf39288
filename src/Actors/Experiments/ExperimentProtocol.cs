namespace DfPO.Actors.Experiments;

/// <summary>Where the experiment's actors live: a cluster singleton among the nodes of role <see cref="ClusterRoles.Learner"/>.</summary>
public static class ExperimentProtocol
{
    /// <summary>Name of the singleton's manager.</summary>
    public const string ManagerName = "experiment";

    /// <summary>Name of the singleton itself.</summary>
    public const string SingletonName = "singleton";

    /// <summary>Path of a role's queue under the learner's node.</summary>
    public static string QueuePath(string role) => $"/user/{ManagerName}/{SingletonName}/{role}";

    /// <summary>
    /// What other nodes select by path: the queues, and the singleton's manager in a hand-over. Everything else is reached by reference.
    /// </summary>
    public static IReadOnlyList<string> SelectedPaths { get; } =
    [$"/user/{ManagerName}", $"/user/{ManagerName}/{SingletonName}", QueuePath(ClusterRoles.Rollout), QueuePath(ClusterRoles.Reward)];
}
