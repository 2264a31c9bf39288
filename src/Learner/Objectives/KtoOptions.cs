using System.ComponentModel.DataAnnotations;

namespace DfPO.Learner.Objectives;

/// <summary>KTO's losses of a single continuation, with <c>h = beta (log pi_theta(y|x) - log pi_0(y|x))</c>, its implicit reward.</summary>
public enum KtoLossType
{
    /// <summary>
    /// <c>1 - sigmoid(h - z)</c> where wanted, <c>1 - sigmoid(z - h)</c> where not; z is beta times the KL's estimate (Ethayarajh et al.
    /// 2024, equation 8).
    /// </summary>
    Kto,

    /// <summary>
    /// <c>1 - sigmoid(h)</c> where wanted, <c>sigmoid(h)</c> where not (D'Oosterlinck et al. 2024, APO-zero of single continuations).
    /// </summary>
    ApoZeroUnpaired,
}

/// <summary>KTO's own hyper-parameters. Defaults: Ethayarajh et al. 2024 as TRL has them.</summary>
public sealed record KtoOptions : IObjectiveOptions
{
    /// <summary>Strength of the pull to the reference, greater than 0.</summary>
    [Range(0, double.PositiveInfinity, MinimumIsExclusive = true)]
    public double Beta { get; init; } = 0.1;

    /// <summary>The loss of a continuation.</summary>
    public KtoLossType LossType { get; init; } = KtoLossType.Kto;

    /// <summary>Weight of wanted continuations' losses, at least 0.</summary>
    [Range(0, double.PositiveInfinity)]
    public double DesirableWeight { get; init; } = 1;

    /// <summary>Weight of the others' losses, at least 0.</summary>
    [Range(0, double.PositiveInfinity)]
    public double UndesirableWeight { get; init; } = 1;

    /// <summary>Where the continuations come from; of given pairs, the chosen ones are wanted and the rejected ones are not.</summary>
    public DpoPairs Pairs { get; init; } = DpoPairs.Rollouts;

    /// <summary>Continuations of each prompt, at least 2: those above their mean reward are wanted, those below it are not.</summary>
    [Range(2, int.MaxValue)]
    public int SamplesPerPrompt { get; init; } = 4;

    IEnumerable<OptionRule> IObjectiveOptions.Rules =>
        [new(DesirableWeight + UndesirableWeight > 0, "kto.desirable-weight", "greater than 0 where 'kto.undesirable-weight' is 0")];
}
