namespace DfPO.Learner.Advantages;

/// <summary>Weights that make samples of one policy count as samples of another.</summary>
public static class ImportanceWeights
{
    /// <summary><c>min(pi_learner(a|s) / pi_rollout(a|s), c)</c> of each token.</summary>
    /// <param name="learner"><c>log pi_learner(a|s)</c> before the update, nats.</param>
    /// <param name="rollout"><c>log pi_rollout(a|s)</c>, nats.</param>
    /// <param name="truncation"><c>c</c>, greater than 0: bounds the variance at the price of a bias towards the rollout's policy.</param>
    /// <param name="statistics">Receives <c>async/importance_weight_mean</c> and <c>async/importance_truncated_fraction</c>, over stale tokens.</param>
    public static float[] Truncated(IReadOnlyList<float> learner, IReadOnlyList<float> rollout, double truncation, Statistics statistics)
    {
        double[] ratios = [.. learner.Zip(rollout, (own, theirs) => Math.Exp((double)own - theirs))];
        float[] weights = [.. ratios.Select(r => (float)Math.Min(r, truncation))];
        statistics.Add("async/importance_weight_mean", weights.Sum(w => (double)w), weights.Length);
        statistics.Add("async/importance_truncated_fraction", ratios.Count(r => r > truncation), ratios.Length);
        return weights;
    }
}
