namespace DfPO.Learner.Objectives;

/// <summary>The KL penalty in the reward, with a fixed coefficient or one that adapts to a target after each iteration (Ziegler et al. 2019; <see cref="AdaptiveKl"/>).</summary>
/// <param name="coefficient"><c>beta</c> of the first rewards.</param>
/// <param name="target">Target of the controller, nats a token; 0 keeps the coefficient fixed.</param>
/// <param name="name">Metric name of the coefficient.</param>
/// <param name="form">What is penalised.</param>
public sealed class KlPenalty(double coefficient, double target, string name, KlPenaltyForm form = KlPenaltyForm.K1)
{
    /// <summary><c>beta</c> of the next rewards.</summary>
    public double Coefficient { get; private set; } = coefficient;

    /// <summary>The coefficient by its metric name.</summary>
    public IReadOnlyDictionary<string, double> State => new Dictionary<string, double> { [name] = Coefficient };

    /// <summary>Takes a saved <see cref="State"/> back.</summary>
    public void Restore(IReadOnlyDictionary<string, double> state) => Coefficient = state[name];

    /// <summary><c>[t is last] r - beta k(log pi_theta_old - log pi_0)</c> of every token.</summary>
    public double[] TokenRewards(Trajectory trajectory) =>
        TokenRewards([.. trajectory.Logprobs.Zip(trajectory.ReferenceLogprobs, (policy, reference) => (double)policy - reference)], trajectory.Reward);

    /// <summary>The same, from the log-ratios of a continuation's tokens and its reward.</summary>
    public double[] TokenRewards(double[] logRatios, double reward)
    {
        double[] rewards = [.. logRatios.Select(d => -Coefficient * Penalised(d))];
        rewards[^1] += reward;
        return rewards;
    }

    /// <summary>Lets the controller see an iteration's mean KL a token.</summary>
    public void EndIteration(double meanKl)
    {
        if (target > 0)
            Coefficient = AdaptiveKl.Next(Coefficient, meanKl, target);
    }

    private double Penalised(double d) => form switch
    {
        KlPenaltyForm.K2 => d * d / 2,
        KlPenaltyForm.K3 => Math.Exp(-d) - 1 + d,
        KlPenaltyForm.Abs => Math.Abs(d),
        _ => d,
    };
}
