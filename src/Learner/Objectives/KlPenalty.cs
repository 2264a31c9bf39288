namespace DfPO.Learner.Objectives;

/// <summary>The KL penalty in the reward.</summary>
/// <param name="controller">Its coefficient.</param>
/// <param name="form">What is penalised.</param>
public sealed class KlPenalty(KlController controller, KlPenaltyForm form = KlPenaltyForm.K1)
{
    /// <summary>Its coefficient <c>beta</c>.</summary>
    public KlController Controller => controller;

    /// <summary><c>[t is last] r - beta k(log pi_theta_old - log pi_0)</c> of every token.</summary>
    public double[] TokenRewards(Trajectory trajectory) =>
        TokenRewards(
            [.. trajectory.Logprobs.Zip(trajectory.ReferenceLogprobs, (policy, reference) => (double)policy - reference)],
            trajectory.Reward
        );

    /// <summary>The same, from the log-ratios of a continuation's tokens and its reward.</summary>
    public double[] TokenRewards(double[] logRatios, double reward)
    {
        double[] rewards = [.. logRatios.Select(d => -controller.Coefficient * Penalised(d))];
        rewards[^1] += reward;
        return rewards;
    }

    private double Penalised(double d) =>
        form switch
        {
            KlPenaltyForm.K2 => d * d / 2,
            KlPenaltyForm.K3 => Math.Exp(-d) - 1 + d,
            KlPenaltyForm.Abs => Math.Abs(d),
            _ => d,
        };
}
