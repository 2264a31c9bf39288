namespace DfPO.Learner;

/// <summary>
/// What an update did, by the metric names that RL people know (<c>objective/kl</c>, <c>ppo/clip_fraction</c>, <c>dfpo/mask_positive</c>,
/// ...).
/// </summary>
public sealed record LearnerReport(IReadOnlyDictionary<string, double> Metrics)
{
    /// <summary>Alarms that went off and were configured to warn.</summary>
    public IReadOnlyList<LearnerWarning> Warnings { get; init; } = [];

    /// <summary>
    /// What the update made of the batch's tokens, an entry a trajectory in the batch's order; null for one that was given or left out.
    /// </summary>
    public IReadOnlyList<TokenFigures?> Tokens { get; init; } = [];
}

/// <summary>A guard's warning.</summary>
/// <param name="Code">Stable code, <c>learner/...</c>.</param>
/// <param name="Message">What was seen, what helps, and where the batch was saved.</param>
public sealed record LearnerWarning(string Code, string Message);
