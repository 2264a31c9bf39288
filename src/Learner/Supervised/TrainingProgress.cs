namespace DfPO.Learner.Supervised;

/// <summary>What a supervised trainer reports after a step.</summary>
/// <param name="Step">Steps done.</param>
/// <param name="TotalSteps">Steps in all.</param>
/// <param name="Loss">Mean cross-entropy of the step's batch, nats.</param>
/// <param name="LearningRate">Learning rate of the step.</param>
/// <param name="TokensPerSecond">Tokens trained on a second since the start or resume.</param>
/// <param name="HeldOut">Held-out figure after this step: mean cross-entropy of a language model, accuracy of a classifier; null between
/// evaluations.</param>
public sealed record TrainingProgress(int Step, int TotalSteps, double Loss, double LearningRate, double TokensPerSecond, double? HeldOut);
