namespace DfPO.Learner.Guards;

/// <summary>What the guards look at; null where it was not measured.</summary>
public sealed record GuardFigures
{
    /// <summary>The greater of the sampled and the exact mean KL a token of all rollouts, nats.</summary>
    public double? Kl { get; init; }

    /// <summary>
    /// Mean <c>log pi_theta - log pi_0</c> a token of samples of the policy itself; those of a masked policy may well be negative.
    /// </summary>
    public double? PolicyKl { get; init; }

    /// <summary>Mean reward.</summary>
    public double? Reward { get; init; }

    /// <summary>Perplexity of the rollouts under the reference model.</summary>
    public double? Perplexity { get; init; }

    /// <summary>Mean over rollouts of the share of trigrams that occurred before in the same continuation.</summary>
    public double? Repetition { get; init; }

    /// <summary>Mean entropy of the policy a token, nats.</summary>
    public double? Entropy { get; init; }

    /// <summary>The figures of an iteration's rollouts.</summary>
    public static GuardFigures Of(IReadOnlyList<Trajectory> batch)
    {
        static double LogRatio(IEnumerable<Trajectory> of) =>
            of.SelectMany(t => t.Logprobs.Zip(t.ReferenceLogprobs, (p, q) => (double)p - q)).Average();
        var drawnFromPolicy = batch.Where(t => t.Behaviour == Models.Policies.DecodingPolicy.Policy).ToArray();
        return new GuardFigures
        {
            Kl = Math.Max(LogRatio(batch), batch.SelectMany(t => t.StateKl).Average(x => (double)x)),
            PolicyKl = drawnFromPolicy.Length > 0 ? LogRatio(drawnFromPolicy) : null,
            Reward = batch.Average(t => t.Reward),
            Perplexity = Math.Exp(-batch.SelectMany(t => t.ReferenceLogprobs).Average(x => (double)x)),
            Repetition = batch.Average(t => RepeatedShare(t.Tokens)),
        };
    }

    /// <summary>Share of a text's n-grams that occurred in it before; 0 when it is shorter than one.</summary>
    public static double RepeatedShare(ReadOnlySpan<int> tokens, int n = 3)
    {
        var count = tokens.Length - n + 1;
        if (count <= 0)
            return 0;
        var distinct = new HashSet<string>();
        for (var start = 0; start < count; start++)
            distinct.Add(string.Join(' ', tokens.Slice(start, n).ToArray()));
        return 1 - distinct.Count / (double)count;
    }
}
