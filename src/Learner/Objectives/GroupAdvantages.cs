namespace DfPO.Learner.Objectives;

/// <summary>Advantages from the rewards of several continuations of one prompt, in place of a value model.</summary>
public static class GroupAdvantages
{
    /// <summary><c>r_i - mean r</c> (GRPO without its scaling: Liu et al. 2025, "Dr. GRPO").</summary>
    public static double[] Centred(IReadOnlyList<double> rewards)
    {
        var mean = rewards.Average();
        return [.. rewards.Select(r => r - mean)];
    }

    /// <summary><c>(r_i - mean r) / (std r + eps)</c>, std unbiased (Shao et al. 2024, equation 3; eps as in TRL); 0 for a single continuation.</summary>
    public static double[] Standardised(IReadOnlyList<double> rewards, double eps = 1e-4)
    {
        var centred = Centred(rewards);
        var deviation = Math.Sqrt(centred.Sum(a => a * a) / Math.Max(1, centred.Length - 1));
        return [.. centred.Select(a => a / (deviation + eps))];
    }

    /// <summary><c>r_i - mean of the others' rewards</c> (Kool et al. 2019; Ahmadian et al. 2024, equation 8). At least two rewards.</summary>
    public static double[] LeaveOneOut(IReadOnlyList<double> rewards)
    {
        var sum = rewards.Sum();
        return [.. rewards.Select(r => r - (sum - r) / (rewards.Count - 1))];
    }

    /// <summary>Applies one of these to every group of a batch, and gives each token its sequence's advantage.</summary>
    /// <param name="batch">Trajectories, those of a prompt with the same <see cref="Trajectory.Group"/>.</param>
    /// <param name="reward">Reward of a whole sequence.</param>
    /// <param name="ofGroup">From a group's rewards to its advantages.</param>
    public static double[][] Broadcast(IReadOnlyList<Trajectory> batch, Func<Trajectory, double> reward, Func<IReadOnlyList<double>, double[]> ofGroup)
    {
        var advantages = new double[batch.Count][];
        foreach (var group in Enumerable.Range(0, batch.Count).GroupBy(i => batch[i].Group))
        {
            int[] members = [.. group];
            foreach (var (i, advantage) in members.Zip(ofGroup([.. members.Select(i => reward(batch[i]))])))
                advantages[i] = [.. Enumerable.Repeat(advantage, batch[i].Tokens.Length)];
        }
        return advantages;
    }
}
