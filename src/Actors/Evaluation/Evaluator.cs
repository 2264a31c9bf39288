using DfPO.Actors.Configuration;
using DfPO.Models;
using DfPO.Models.Policies;
using DfPO.Rollout;
using DfPO.Tasks.Metrics;
using DfPO.Tasks.Prompts;

namespace DfPO.Actors.Evaluation;

/// <summary>
/// Measures a policy under a decoding, for the training loop, <c>eval</c> and <c>distill</c>, which differ in where the policy is.
/// </summary>
/// <param name="config">The experiment, whose text metrics are computed.</param>
public sealed class Evaluator(ExperimentConfig config)
{
    /// <summary>Evaluates.</summary>
    /// <param name="policy">The policy.</param>
    /// <param name="prompts">The prompts.</param>
    /// <param name="samplesPerPrompt">Continuations of each, at least 1.</param>
    /// <param name="decoding">How they are drawn.</param>
    /// <param name="cancellation">Of the command or run.</param>
    /// <exception cref="DfpoException"><c>metrics/...</c>: nothing was generated, or a metric lacks what it needs.</exception>
    public async Task<EvaluationFigures> Evaluate(
        IEvaluatedPolicy policy,
        IReadOnlyList<Prompt> prompts,
        int samplesPerPrompt,
        GenerationOptions decoding,
        CancellationToken cancellation
    )
    {
        // The likelihood of given texts is the policy's own figure, not that of a policy under a KL mask.
        var asksLikelihood =
            decoding.Policy == DecodingPolicy.Policy && config.Evaluation.Metrics.Contains(EvaluationMetrics.ReferencePerplexity);
        if (asksLikelihood)
            ModelPerplexity.RequireReferences(prompts);
        var (continuations, rewards) = await policy.Continue(Repeated(prompts, samplesPerPrompt), decoding, cancellation);
        Sample[] samples = [.. continuations.Zip(rewards, (continuation, reward) => continuation.ToSample(reward))];
        var likelihood = asksLikelihood ? await policy.ReferencePerplexity(prompts, cancellation) : null;
        PromptContinuation[] texts = [.. continuations.Select(continuation => continuation.ToText())];
        var (figures, intervals) = EvaluationMetrics.Of(config, texts, samples, likelihood);
        return new(samples, GenerationMetrics.Compute(samples), FigureIntervals.Of(samples).Concat(intervals).ToDictionary(), figures);
    }

    /// <summary>The prompts so many times over: first each once, then each again.</summary>
    public static IReadOnlyList<Prompt> Repeated(IReadOnlyList<Prompt> prompts, int times) =>
        [.. Enumerable.Repeat(prompts, times).SelectMany(all => all)];
}
