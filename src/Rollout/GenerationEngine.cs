using DfPO.Models;

namespace DfPO.Rollout;

/// <summary>Batched generation with a policy and, for the KL masks and log-ratios, a frozen reference model. Not thread-safe: one engine a thread.</summary>
/// <param name="policy">The model sampled from; its weights may be changed between calls. Stays the caller's.</param>
/// <param name="reference"><c>pi_0</c>: same architecture and vocabulary; null when neither masks nor reference log-probabilities are wanted. Stays the caller's.</param>
/// <param name="eosTokenId">The token that ends a continuation; null for none.</param>
public sealed class GenerationEngine(CausalLM policy, CausalLM? reference, int? eosTokenId)
{
    /// <summary>Continues every prompt as one batch.</summary>
    /// <exception cref="DfpoException"><c>generation/options</c>, <c>generation/empty-prompt</c>, <c>generation/no-reference</c> or <c>model/too-long</c>.</exception>
    /// <exception cref="OperationCanceledException">Between two tokens.</exception>
    public IReadOnlyList<GeneratedSequence> Generate(IReadOnlyList<GenerationRequest> requests, GenerationOptions options, CancellationToken cancellation = default) =>
        throw new NotImplementedException($"{policy} {reference} {eosTokenId}");
}
