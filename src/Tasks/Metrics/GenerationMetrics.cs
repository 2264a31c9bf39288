using DfPO.Models;

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
/// <param name="Distinct1">Different words over all words (GEM's distinct-1: n-grams within an instance, pooled over the corpus; words as in <see cref="WordTokens"/>).</param>
/// <param name="Distinct2">Different word pairs over all word pairs.</param>
/// <param name="Length">Mean tokens of a continuation.</param>
/// <param name="Kl">Mean over tokens of <c>KL(pi_theta || pi_0)</c>, nats.</param>
public sealed record GenerationMetrics(double Reward, double Perplexity, double Distinct1, double Distinct2, double Length, double Kl)
{
    /// <summary>Computes all figures.</summary>
    /// <param name="continuations">At least one, with at least one token among them.</param>
    /// <exception cref="DfpoException"><c>metrics/empty</c>: nothing was generated.</exception>
    public static GenerationMetrics Compute(IReadOnlyList<EvaluatedContinuation> continuations)
    {
        var tokens = continuations.Sum(c => (long)c.Tokens);
        if (tokens == 0)
            throw new DfpoException("metrics/empty", $"{continuations.Count} continuations hold no token: there is nothing to measure.");
        string[][] words = [.. continuations.Select(c => WordTokens.Of(c.Text))];
        return new GenerationMetrics(
            continuations.Average(c => c.Reward),
            Math.Exp(-continuations.Sum(c => c.ReferenceLogprob) / tokens),
            WordTokens.Distinct(words, 1),
            WordTokens.Distinct(words, 2),
            tokens / (double)continuations.Count,
            continuations.Sum(c => c.Kl) / tokens);
    }
}
