namespace DfPO.Learner.Objectives;

/// <summary>PPO's own hyper-parameters.</summary>
public sealed record PpoOptions : IObjectiveOptions
{
    /// <summary>Coefficient of the per-token KL penalty in the reward, at least 0.</summary>
    public double KlCoefficient { get; init; } = 0.1;

    /// <summary>Target of the adaptive controller, nats a token; 0 keeps the coefficient fixed.</summary>
    public double TargetKl { get; init; }

    /// <summary>Whether advantages are centred and scaled by their standard deviation in each minibatch.</summary>
    public bool NormalizeAdvantages { get; init; } = true;

    /// <summary>Bound c of a token with a negative advantage, in multiples of it (dual-clip PPO; the paper takes 3); 0 for none.</summary>
    public double DualClip { get; init; }

    IEnumerable<OptionRule> IObjectiveOptions.Rules =>
    [
        OptionRule.NotNegative(KlCoefficient, "ppo.kl-coefficient"),
        OptionRule.NotNegative(TargetKl, "ppo.target-kl", " (0 keeps the coefficient fixed)"),
        new(DualClip == 0 || (double.IsFinite(DualClip) && DualClip > 1), "ppo.dual-clip", "0 (none) or greater than 1"),
    ];
}
