namespace DfPO.Tasks.Metrics;

/// <summary>A continuation and what is known about it.</summary>
/// <param name="Text">The continuation's text alone.</param>
/// <param name="Tokens">Its number of tokens.</param>
/// <param name="Reward">Task reward.</param>
/// <param name="Logprob">Sum of <c>log pi_theta</c> over its tokens, nats.</param>
/// <param name="ReferenceLogprob">Sum of <c>log pi_0</c> over its tokens, nats.</param>
/// <param name="Kl">Sum over its states of <c>KL(pi_theta || pi_0)</c>, nats.</param>
public sealed record EvaluatedContinuation(string Text, int Tokens, double Reward, double Logprob, double ReferenceLogprob, double Kl);

/// <summary>Corpus figures of a set of continuations.</summary>
/// <param name="Reward">Mean reward.</param>
/// <param name="Perplexity">Perplexity of the generations under the frozen reference: exp of the mean negative log-likelihood a token, pooled over the corpus.</param>
/// <param name="Distinct1">Different words over all words (GEM's distinct-1, within-instance n-grams pooled over the corpus).</param>
/// <param name="Distinct2">Different word pairs over all word pairs.</param>
/// <param name="Length">Mean tokens of a continuation.</param>
/// <param name="Kl">Mean over tokens of <c>KL(pi_theta || pi_0)</c>, nats.</param>
public sealed record GenerationMetrics(double Reward, double Perplexity, double Distinct1, double Distinct2, double Length, double Kl)
{
    /// <summary>Computes all figures.</summary>
    /// <param name="continuations">At least one.</param>
    public static GenerationMetrics Compute(IReadOnlyList<EvaluatedContinuation> continuations) => throw new NotImplementedException();
}
