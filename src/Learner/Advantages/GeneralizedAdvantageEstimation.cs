namespace DfPO.Learner.Advantages;

/// <summary>Advantages and value targets of consecutive steps; the arrays are as long as the steps.</summary>
public sealed record AdvantageEstimate(double[] Advantages, double[] Returns);

/// <summary>Generalised advantage estimation (Schulman et al. 2016, equation 16), in float64.</summary>
public static class GeneralizedAdvantageEstimation
{
    /// <summary>
    /// <c>delta_t = r_t + gamma V_{t+1} (1 - done_t) - V_t</c>, <c>A_t = delta_t + gamma lambda (1 - done_t) A_{t+1}</c>, value target
    /// <c>A_t + V_t</c>.
    /// </summary>
    /// <param name="rewards"><c>r_t</c> of each step.</param>
    /// <param name="values"><c>V_t</c> of each step's state.</param>
    /// <param name="dones">Whether step t ended an episode, so that nothing after it counts.</param>
    /// <param name="lastValue">Value of the state after the last step; of no consequence when that step ended an episode.</param>
    /// <param name="gamma">Discount, in (0, 1].</param>
    /// <param name="lambda">Trade-off between bias (0) and variance (1).</param>
    public static AdvantageEstimate Estimate(
        ReadOnlySpan<double> rewards,
        ReadOnlySpan<double> values,
        ReadOnlySpan<bool> dones,
        double lastValue,
        double gamma,
        double lambda
    )
    {
        var (advantages, returns) = (new double[rewards.Length], new double[rewards.Length]);
        var (nextValue, nextAdvantage) = (lastValue, 0.0);
        for (var t = rewards.Length - 1; t >= 0; t--)
        {
            var live = dones[t] ? 0 : 1;
            var delta = rewards[t] + gamma * nextValue * live - values[t];
            advantages[t] = delta + gamma * lambda * live * nextAdvantage;
            returns[t] = advantages[t] + values[t];
            (nextValue, nextAdvantage) = (values[t], advantages[t]);
        }
        return new AdvantageEstimate(advantages, returns);
    }

    /// <summary>
    /// One whole episode: its last step is terminal, a length limit included (as in RL4LMs), unless the value of the state after it is
    /// given.
    /// </summary>
    public static AdvantageEstimate Episode(
        ReadOnlySpan<double> rewards,
        ReadOnlySpan<double> values,
        double gamma,
        double lambda,
        double? lastValue = null
    )
    {
        var dones = new bool[rewards.Length];
        dones[^1] = lastValue is null;
        return Estimate(rewards, values, dones, lastValue ?? 0, gamma, lambda);
    }
}
