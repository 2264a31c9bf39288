using DfPO.Models;

namespace DfPO.Tasks.Metrics;

/// <summary>Corpus figures of a set of continuations. Means over tokens are pooled: over all tokens of the corpus.</summary>
/// <param name="Reward">Mean reward.</param>
/// <param name="Perplexity">
/// Perplexity of the decoding under the frozen reference: exp of the mean over tokens of the exact cross-entropy
/// <c>-sum_a q(a) log pi_0(a)</c>, <c>q</c> what is drawn from. <c>ln Perplexity = Entropy + Kl</c>. Of a beam search, which draws nothing,
/// <see cref="DrawnPerplexity"/>.
/// </param>
/// <param name="Entropy">Mean over tokens of the entropy <c>H(q)</c>, nats; NaN of a beam search.</param>
/// <param name="Kl">Mean over tokens of <c>KL(q || pi_0)</c>, nats; NaN of a beam search.</param>
/// <param name="Distinct1">Different words over all words (GEM's distinct-1: n-grams within an instance, pooled over the corpus; words as
/// in <see cref="WordTokens"/>).</param>
/// <param name="Distinct2">Different word pairs over all word pairs.</param>
/// <param name="Length">Mean tokens of a continuation.</param>
public sealed record GenerationMetrics(
    double Reward,
    double Perplexity,
    double Entropy,
    double Kl,
    double Distinct1,
    double Distinct2,
    double Length
)
{
    /// <summary>
    /// exp of the mean over the drawn tokens of <c>-log pi_0</c>: an estimate of <see cref="Perplexity"/> with about twice its spread.
    /// </summary>
    public double DrawnPerplexity { get; init; }

    /// <summary>
    /// Mean over tokens of <c>KL(pi_theta || pi_0)</c> of the policy itself at the states that the decoding visits, nats.
    /// </summary>
    public double PolicyKl { get; init; }

    /// <summary>All figures by their names in files.</summary>
    public static IReadOnlyList<(string Name, Func<GenerationMetrics, double> Of)> Figures { get; } =
    [
        ("reward", m => m.Reward),
        ("perplexity", m => m.Perplexity),
        ("entropy", m => m.Entropy),
        ("kl", m => m.Kl),
        ("distinct_1", m => m.Distinct1),
        ("distinct_2", m => m.Distinct2),
        ("length", m => m.Length),
        ("drawn_perplexity", m => m.DrawnPerplexity),
        ("policy_kl", m => m.PolicyKl),
    ];

    /// <summary>Computes all figures.</summary>
    /// <param name="samples">At least one, with at least one token among them.</param>
    /// <exception cref="DfpoException"><c>metrics/empty</c>: nothing was generated.</exception>
    public static GenerationMetrics Compute(IReadOnlyList<Sample> samples) =>
        samples.Sum(sample => (long)sample.Tokens) > 0
            ? SampleClusters.Of(samples).Metrics()
            : throw new DfpoException("metrics/empty", $"{samples.Count} continuations hold no token: there is nothing to measure.");
}
