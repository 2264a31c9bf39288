using System.ComponentModel.DataAnnotations;

namespace DfPO.Learner.Objectives;

/// <summary>
/// What GRPO's tokens are pushed by, and how their losses make one number. <c>N</c> sequences, <c>n_i</c> tokens that count in sequence i.
/// </summary>
public enum GrpoLossType
{
    /// <summary>
    /// Clipped; mean over sequences of the mean over a sequence's tokens: a token of a long sequence counts less (Shao et al. 2024).
    /// </summary>
    Grpo,

    /// <summary>Clipped; mean over the minibatch's tokens.</summary>
    Bnpo,

    /// <summary>
    /// Clipped; sum over tokens, divided by N times <see cref="GrpoOptions.MaxCompletionLength"/> (Liu et al. 2025, "Dr. GRPO").
    /// </summary>
    DrGrpo,

    /// <summary>
    /// Clipped; sum over tokens, divided by the tokens that a step of this iteration has on average (Yu et al. 2025, "DAPO"; TRL's
    /// default).
    /// </summary>
    Dapo,

    /// <summary>Clipped, with the ratio of whole sequences; mean over sequences of the sum over a sequence's tokens (LUSPO).</summary>
    Luspo,

    /// <summary>
    /// REINFORCE with weight <c>min(rho, learner.clip-range-high) A</c>, where the key is the cap itself; divided as <see cref="Dapo"/>
    /// (MiniMax 2025, "CISPO").
    /// </summary>
    Cispo,

    /// <summary>A soft gate <c>4/tau sigmoid(tau (rho - 1))</c> in place of the clip; divided as <see cref="Grpo"/> (SAPO).</summary>
    Sapo,

    /// <summary>
    /// REINFORCE with the weight <c>phi(w) A</c>, <c>phi(w) = w^k exp(lambda (1 - w))</c> of the whole sequence's ratio w; divided as
    /// <see cref="Dapo"/> (VESPO).
    /// </summary>
    Vespo,
}

/// <summary>What a ratio is of.</summary>
public enum RatioLevel
{
    /// <summary>Each token has its own.</summary>
    Token,

    /// <summary>A sequence's tokens share the exponential of their mean log-ratio (Zheng et al. 2025, "GSPO").</summary>
    Sequence,
}

/// <summary>What centred rewards are divided by.</summary>
public enum RewardScale
{
    /// <summary>The standard deviation of the group's rewards.</summary>
    Group,

    /// <summary>The standard deviation of the batch's rewards.</summary>
    Batch,

    /// <summary>Nothing ("Dr. GRPO").</summary>
    None,
}

/// <summary>GRPO's own hyper-parameters. Defaults: DeepSeekMath, but for the group, which is 64 there.</summary>
public sealed record GrpoOptions : IObjectiveOptions
{
    /// <summary>Continuations of each prompt, at least 2.</summary>
    [Range(2, int.MaxValue)]
    public int SamplesPerPrompt { get; init; } = 8;

    /// <summary>Coefficient of the KL term in the loss, at least 0.</summary>
    [Range(0, double.PositiveInfinity)]
    public double KlCoefficient { get; init; } = 0.04;

    /// <summary>
    /// Target of the controller that steers the coefficient after each iteration, nats a token; 0 keeps it fixed, as the paper does.
    /// </summary>
    [Range(0, double.PositiveInfinity)]
    public double TargetKl { get; init; }

    /// <summary>
    /// Strength of the controller: an iteration changes the coefficient by at most a fifth of this share (Ziegler et al. 2019; 0.1 in
    /// RL4LMs).
    /// </summary>
    [Range(0, double.PositiveInfinity, MinimumIsExclusive = true)]
    public double TargetKlRate { get; init; } = AdaptiveKl.Rl4LmsRate;

    /// <summary>
    /// Whether the KL term is multiplied by the ratio, which makes its gradient unbiased off policy (DeepSeek-V3.2; TRL does so unasked).
    /// </summary>
    public bool UseBiasCorrectionKl { get; init; }

    /// <summary>What a group's centred rewards are divided by.</summary>
    public RewardScale ScaleRewards { get; init; } = RewardScale.Group;

    /// <summary>What tokens are pushed by, and how their losses make one number.</summary>
    public GrpoLossType LossType { get; init; } = GrpoLossType.Grpo;

    /// <summary>Whether each token has a ratio of its own.</summary>
    public RatioLevel ImportanceSamplingLevel { get; init; } = RatioLevel.Token;

    /// <summary>Upper bound of the ratio in the unclipped term ("dual clip"); 0 for none.</summary>
    [Range(0, double.PositiveInfinity)]
    public double Delta { get; init; }

    /// <summary>
    /// Whether continuations that were cut off at a limit are left out of the loss. Their rewards still count in their group's mean and
    /// deviation.
    /// </summary>
    public bool MaskTruncatedCompletions { get; init; }

    /// <summary>What dr-grpo divides a sequence's sum by, tokens: the longest that a continuation may be.</summary>
    [Range(0, int.MaxValue)]
    public int MaxCompletionLength { get; init; }

    /// <summary>
    /// Sequences with a negative advantage get no push when the mean of their log pi_old - log pi_theta is above this, nats a token
    /// (DeepSeek-V3.2); 0 for no bound.
    /// </summary>
    public double OffPolicyMaskThreshold { get; init; }

    /// <summary>sapo: sharpness of the gate where the advantage is positive, greater than 0.</summary>
    [Range(0, double.PositiveInfinity, MinimumIsExclusive = true)]
    public double SapoTemperaturePos { get; init; } = 1;

    /// <summary>sapo: sharpness of the gate elsewhere, greater than 0.</summary>
    [Range(0, double.PositiveInfinity, MinimumIsExclusive = true)]
    public double SapoTemperatureNeg { get; init; } = 1.05;

    /// <summary>vespo: k where the advantage is at least 0.</summary>
    [Range(0, double.PositiveInfinity)]
    public double VespoKPos { get; init; } = 2;

    /// <summary>vespo: lambda where the advantage is at least 0.</summary>
    [Range(0, double.PositiveInfinity, MinimumIsExclusive = true)]
    public double VespoLambdaPos { get; init; } = 3;

    /// <summary>vespo: k elsewhere.</summary>
    [Range(0, double.PositiveInfinity)]
    public double VespoKNeg { get; init; } = 3;

    /// <summary>vespo: lambda elsewhere.</summary>
    [Range(0, double.PositiveInfinity, MinimumIsExclusive = true)]
    public double VespoLambdaNeg { get; init; } = 2;

    IEnumerable<OptionRule> IObjectiveOptions.Rules =>
        [
            new(
                LossType != GrpoLossType.Luspo || ImportanceSamplingLevel == RatioLevel.Sequence,
                "grpo.importance-sampling-level",
                "sequence with 'grpo.loss-type' luspo"
            ),
            new(TargetKl == 0 || KlCoefficient > 0, "grpo.kl-coefficient", "greater than 0 with 'grpo.target-kl', which multiplies it"),
            new(Delta == 0 || (double.IsFinite(Delta) && Delta > 1), "grpo.delta", "0 (none) or greater than 1"),
            new(
                Delta == 0 || LossType is not (GrpoLossType.Cispo or GrpoLossType.Sapo or GrpoLossType.Vespo),
                "grpo.delta",
                "0 with 'grpo.loss-type' cispo, sapo and vespo, which do not clip"
            ),
            new(
                MaxCompletionLength > 0 || (MaxCompletionLength == 0 && LossType != GrpoLossType.DrGrpo),
                "grpo.max-completion-length",
                "the limit of a continuation ('rollout.generation.max-new-tokens') with 'grpo.loss-type' dr-grpo"
            ),
            new(double.IsFinite(OffPolicyMaskThreshold), "grpo.off-policy-mask-threshold", "a number (0 for no bound)"),
        ];
}
