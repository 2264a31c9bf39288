namespace DfPO.Learner.Advantages;

/// <summary>Advantages without a baseline of their own: what is still to come, against the whole batch.</summary>
public static class RewardsToCome
{
    /// <summary>
    /// <c>A_t = sum_{i >= t} gamma^{i-t} r_i</c> of every sequence, whitened over all tokens: <c>(A - mean) / sqrt(var + 1e-8)</c>, var
    /// biased.
    /// </summary>
    /// <param name="rewards">Reward of each token, an array a sequence; they are overwritten.</param>
    /// <param name="gamma">Discount, in (0, 1].</param>
    public static double[][] Whitened(double[][] rewards, double gamma)
    {
        foreach (var sequence in rewards)
            for (var t = sequence.Length - 2; t >= 0; t--)
                sequence[t] += gamma * sequence[t + 1];
        var whitened = Whitened([.. rewards.SelectMany(r => r)]);
        var start = 0;
        return [.. rewards.Select(r => whitened[start..(start += r.Length)])];
    }

    /// <summary><c>(A - mean) / sqrt(var + 1e-8)</c>, var biased.</summary>
    public static double[] Whitened(IReadOnlyList<double> advantages)
    {
        var mean = advantages.Average();
        var scale = 1 / Math.Sqrt(advantages.Average(a => (a - mean) * (a - mean)) + 1e-8);
        return [.. advantages.Select(a => (a - mean) * scale)];
    }
}
