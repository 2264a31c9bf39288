namespace DfPO.Rollout;

/// <summary>A prompt to continue.</summary>
/// <param name="PromptTokens">Token ids, at least one.</param>
/// <param name="Seed">Seed of this sequence's random numbers: the same seed, prompt, weights and batch give the same tokens.</param>
public sealed record GenerationRequest(int[] PromptTokens, ulong Seed);
