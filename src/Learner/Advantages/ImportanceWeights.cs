namespace DfPO.Learner.Advantages;

/// <summary>What a truncated importance weight is of.</summary>
public enum RolloutCorrection
{
    /// <summary>Nothing: samples count as if the learner had drawn them.</summary>
    None,

    /// <summary>Each token by itself (Espeholt et al. 2018; <c>token</c> in verl and TRL): little variance, some bias.</summary>
    Token,

    /// <summary>
    /// The whole continuation, whose tokens all carry its weight (<c>sequence</c> in verl and TRL): no bias but the truncation's, much
    /// variance.
    /// </summary>
    Sequence,
}

/// <summary>
/// Weights that make samples of the policy that rolled out count as samples of the learner's when the update begins: other kernels, another
/// precision, older weights.
/// </summary>
public static class ImportanceWeights
{
    // A ratio beyond exp(20) tells no more than that, and its mean stays a number (as verl clamps it).
    private const double LargestLogRatio = 20;

    /// <summary><c>min(pi_learner(a|s) / pi_rollout(a|s), c)</c> of each token, or of the product over a sequence.</summary>
    /// <param name="learner"><c>log pi_learner(a|s)</c> before the update, nats: an array a sequence.</param>
    /// <param name="rollout"><c>log pi_rollout(a|s)</c>, nats.</param>
    /// <param name="correction">What is weighed.</param>
    /// <param name="truncation"><c>c</c>, greater than 0: bounds the variance at the price of a bias towards the rollout's policy.</param>
    /// <param name="statistics">Receives <c>rollout_is/mean</c>, <c>rollout_is/std</c> and <c>rollout_is/max</c>, over tokens or sequences
    /// before truncation, and <c>rollout_is/truncated_fraction</c>.</param>
    /// <returns>A weight a token, an array a sequence.</returns>
    public static float[][] Truncated(
        IReadOnlyList<float[]> learner,
        IReadOnlyList<float[]> rollout,
        RolloutCorrection correction,
        double truncation,
        Statistics statistics
    )
    {
        var tokens = learner.Zip(rollout, (own, theirs) => own.Zip(theirs, (p, q) => (double)p - q).ToArray()).ToArray();
        double[] ratios =
        [
            .. (
                correction == RolloutCorrection.Sequence
                    ? tokens.Select(sequence => sequence.Sum())
                    : tokens.SelectMany(sequence => sequence)
            ).Select(d => Math.Exp(Math.Clamp(d, -LargestLogRatio, LargestLogRatio))),
        ];
        var mean = ratios.Average();
        statistics.Add("rollout_is/mean", mean);
        statistics.Add("rollout_is/std", Math.Sqrt(ratios.Average(r => (r - mean) * (r - mean))));
        statistics.Add("rollout_is/max", ratios.Max());
        statistics.Add("rollout_is/truncated_fraction", ratios.Count(r => r > truncation), ratios.Length);
        var next = 0;
        float Weight(double ratio) => (float)Math.Min(ratio, truncation);
        return
        [
            .. tokens.Select(sequence =>
                correction == RolloutCorrection.Sequence
                    ? Enumerable.Repeat(Weight(ratios[next++]), sequence.Length).ToArray()
                    : [.. sequence.Select(_ => Weight(ratios[next++]))]
            ),
        ];
    }
}
