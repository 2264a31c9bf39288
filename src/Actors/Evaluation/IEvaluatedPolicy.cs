using DfPO.Rollout;
using DfPO.Tasks.Prompts;

namespace DfPO.Actors.Evaluation;

/// <summary>A policy that is evaluated, wherever it is: on a cluster's workers, or in this process.</summary>
public interface IEvaluatedPolicy
{
    /// <summary>Continues each prompt once and rewards what came of it. A prompt that comes again has another seed.</summary>
    /// <returns>One continuation a prompt, in the prompts' order.</returns>
    Task<RewardedContinuations> Continue(IReadOnlyList<Prompt> prompts, GenerationOptions decoding, CancellationToken cancellation);

    /// <summary>Perplexity of the prompts' references under the policy: <see cref="ModelPerplexity.OfReferences"/>.</summary>
    Task<double?> ReferencePerplexity(IReadOnlyList<Prompt> prompts, CancellationToken cancellation);
}
