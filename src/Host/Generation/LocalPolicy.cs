using DfPO.Actors.Evaluation;
using DfPO.Rollout;
using DfPO.Tasks.Prompts;
using DfPO.Tasks.Rewards;

namespace DfPO.Host.Generation;

/// <summary>A policy of this process with a judge, to be evaluated.</summary>
/// <param name="generator">The policy, and the models that its decodings take; the caller's.</param>
/// <param name="judge">Rewards; the caller's.</param>
/// <param name="seed">Seed of all continuations.</param>
/// <param name="batch">Prompts generated and rewarded at a time, at least 1.</param>
/// <param name="maxPromptTokens">Longest prompt, in tokens; a longer one is cut.</param>
internal sealed class LocalPolicy(TextGenerator generator, IReward judge, ulong seed, int batch, int maxPromptTokens) : IEvaluatedPolicy
{
    /// <inheritdoc/>
    public Task<RewardedContinuations> Continue(IReadOnlyList<Prompt> prompts, GenerationOptions decoding, CancellationToken cancellation)
    {
        Continuation[] continuations = [.. generator.Generate(prompts, decoding, seed, batch, maxPromptTokens, cancellation)];
        var texts = continuations.Select(continuation => continuation.ToText());
        return Task.FromResult(new RewardedContinuations(continuations, [.. texts.Chunk(batch).SelectMany(judge.Score)]));
    }

    /// <inheritdoc/>
    public Task<double?> ReferencePerplexity(IReadOnlyList<Prompt> prompts, CancellationToken cancellation) =>
        Task.FromResult<double?>(generator.ReferencePerplexity(prompts));
}
