namespace DfPO.Actors.Evaluation;

/// <summary>Continuations with their task rewards, in the same order.</summary>
public sealed record RewardedContinuations(IReadOnlyList<Continuation> Continuations, IReadOnlyList<float> Rewards);
