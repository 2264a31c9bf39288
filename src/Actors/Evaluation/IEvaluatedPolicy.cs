using DfPO.Rollout;
using DfPO.Tasks.Prompts;

namespace DfPO.Actors.Evaluation;

/// <summary>A policy that is evaluated, wherever it is: on a cluster's workers, or in this process.</summary>
public interface IEvaluatedPolicy
{
    /// <summary>Continues each prompt once and rewards what came of it. A prompt that comes several times has another seed each time.</summary>
    /// <returns>One continuation a prompt and its reward, in the prompts' order.</returns>
    Task<(IReadOnlyList<Continuation> Continuations, IReadOnlyList<float> Rewards)> Continue(IReadOnlyList<Prompt> prompts, GenerationOptions decoding, CancellationToken cancellation);

    /// <summary>Perplexity of the prompts' references under the policy: <see cref="ModelPerplexity.OfReferences"/>.</summary>
    Task<double?> ReferencePerplexity(IReadOnlyList<Prompt> prompts, CancellationToken cancellation);
}
