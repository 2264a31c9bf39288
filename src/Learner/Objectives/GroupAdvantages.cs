namespace DfPO.Learner.Objectives;

/// <summary>Advantages from the rewards of several continuations of one prompt, in place of a value model.</summary>
/// <remarks>A reward that is not a number was not given: its advantage is 0, and it counts in no mean and no deviation.</remarks>
public static class GroupAdvantages
{
    /// <summary><c>r_i - mean r</c> (GRPO without its scaling: Liu et al. 2025, "Dr. GRPO").</summary>
    public static double[] Centred(IReadOnlyList<double> rewards)
    {
        var mean = Given(rewards).DefaultIfEmpty().Average();
        return [.. rewards.Select(r => double.IsNaN(r) ? 0 : r - mean)];
    }

    /// <summary>
    /// <c>(r_i - mean r) / (std r + eps)</c>, std unbiased (Shao et al. 2024, equation 3; eps as in TRL); 0 for a single continuation.
    /// </summary>
    public static double[] Standardised(IReadOnlyList<double> rewards, double eps = 1e-4)
    {
        var deviation = Deviation(rewards);
        return [.. Centred(rewards).Select(a => a / (deviation + eps))];
    }

    /// <summary>
    /// <c>r_i - mean of the others' rewards</c> (Kool et al. 2019; Ahmadian et al. 2024, equation 8); 0 where there is no other.
    /// </summary>
    public static double[] LeaveOneOut(IReadOnlyList<double> rewards)
    {
        var (sum, others) = (Given(rewards).Sum(), Given(rewards).Count() - 1);
        return [.. rewards.Select(r => double.IsNaN(r) || others < 1 ? 0 : r - (sum - r) / others)];
    }

    /// <summary>Unbiased standard deviation; 0 of fewer than two.</summary>
    public static double Deviation(IReadOnlyList<double> rewards)
    {
        double[] given = [.. Given(rewards)];
        var mean = given.DefaultIfEmpty().Average();
        return Math.Sqrt(given.Sum(r => (r - mean) * (r - mean)) / Math.Max(1, given.Length - 1));
    }

    /// <summary>Applies one of these to every group of a batch.</summary>
    /// <param name="rewards">Rewards of whole sequences.</param>
    /// <param name="groups">The number of each one's group.</param>
    /// <param name="ofGroup">From a group's rewards to its advantages.</param>
    public static double[] ByGroup(double[] rewards, int[] groups, Func<IReadOnlyList<double>, double[]> ofGroup)
    {
        var advantages = new double[rewards.Length];
        foreach (var group in Enumerable.Range(0, rewards.Length).GroupBy(i => groups[i]))
        {
            int[] members = [.. group];
            foreach (var (i, advantage) in members.Zip(ofGroup([.. members.Select(i => rewards[i])])))
                advantages[i] = advantage;
        }
        return advantages;
    }

    /// <summary>Gives each token its sequence's advantage.</summary>
    public static double[][] Broadcast(IReadOnlyList<Trajectory> batch, double[] advantages) =>
        [.. batch.Zip(advantages, (t, advantage) => Enumerable.Repeat(advantage, t.Tokens.Length).ToArray())];

    private static IEnumerable<double> Given(IReadOnlyList<double> rewards) => rewards.Where(r => !double.IsNaN(r));
}
