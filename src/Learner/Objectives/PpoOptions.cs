using System.ComponentModel.DataAnnotations;

namespace DfPO.Learner.Objectives;

/// <summary>PPO's own hyper-parameters.</summary>
public sealed record PpoOptions : IObjectiveOptions
{
    /// <summary>Coefficient of the per-token KL penalty in the reward, at least 0.</summary>
    [Range(0, double.PositiveInfinity)]
    public double KlCoefficient { get; init; } = 0.1;

    /// <summary>What is penalised of <c>d = log pi_theta_old - log pi_0</c> at a token.</summary>
    public KlPenaltyForm KlPenalty { get; init; } = KlPenaltyForm.K1;

    /// <summary>Target of the adaptive controller, nats a token; 0 keeps the coefficient fixed.</summary>
    [Range(0, double.PositiveInfinity)]
    public double TargetKl { get; init; }

    /// <summary>
    /// Strength of the controller: an iteration changes the coefficient by at most a fifth of this share (Ziegler et al. 2019; 0.1 in
    /// RL4LMs).
    /// </summary>
    [Range(0, double.PositiveInfinity, MinimumIsExclusive = true)]
    public double TargetKlRate { get; init; } = AdaptiveKl.Rl4LmsRate;

    /// <summary>
    /// Whether token rewards are divided by their standard deviation over the batch, their mean kept (Ziegler et al. 2019).
    /// </summary>
    public bool WhitenRewards { get; init; }

    /// <summary>Whether advantages are centred and scaled by their standard deviation in each minibatch.</summary>
    public bool NormalizeAdvantages { get; init; } = true;

    /// <summary>Upper bound of the ratio in the unclipped term (dual-clip PPO; the paper takes 3); 0 for none.</summary>
    [Range(0, double.PositiveInfinity)]
    public double Delta { get; init; }

    IEnumerable<OptionRule> IObjectiveOptions.Rules =>
        [new(Delta == 0 || (double.IsFinite(Delta) && Delta > 1), "ppo.delta", "0 (none) or greater than 1")];
}
