namespace DfPO.Learner;

/// <summary>What an update did, by the metric names that RL people know (<c>objective/kl</c>, <c>ppo/clip_fraction</c>, <c>dfpo/mask_positive</c>, ...).</summary>
public sealed record LearnerReport(IReadOnlyDictionary<string, double> Metrics);
