namespace DfPO.Actors;

/// <summary>Roles of cluster members.</summary>
public static class ClusterRoles
{
    /// <summary>Orchestrates and learns.</summary>
    public const string Learner = "learner";

    /// <summary>Generates.</summary>
    public const string Rollout = "rollout";

    /// <summary>Scores.</summary>
    public const string Reward = "reward";

    /// <summary>All of them.</summary>
    public static IReadOnlyList<string> All { get; } = [Learner, Rollout, Reward];
}
