using System.ComponentModel.DataAnnotations;

namespace DfPO.Learner.Objectives;

/// <summary>Where the pairs come from.</summary>
public enum DpoPairs
{
    /// <summary>The best and the worst of a prompt's rollouts, by reward.</summary>
    Rollouts,

    /// <summary>Given pairs (<see cref="PreferencePair"/>); nothing is rolled out.</summary>
    Offline,
}

/// <summary>
/// Losses of a pair, in TRL's names and forms; see <see cref="PairLosses"/>. With <c>c, r</c> the scores of the chosen and the rejected
/// side, <c>d = c - r</c>, <c>e</c> the label smoothing.
/// </summary>
public enum DpoLossType
{
    /// <summary>
    /// <c>-(1-e) log sigmoid(beta d) - e log sigmoid(-beta d)</c> (Rafailov et al. 2023; e: conservative DPO. TRL's does not read e).
    /// </summary>
    Sigmoid,

    /// <summary>The same with scores divided by their lengths (SimPO's and Tulu 3's length normalisation).</summary>
    SigmoidNorm,

    /// <summary><c>max(0, 1 - beta d)</c> (SLiC, Zhao et al. 2023).</summary>
    Hinge,

    /// <summary><c>(d - 1/(2 beta))^2</c>, scores divided by their lengths (Azar et al. 2023).</summary>
    Ipo,

    /// <summary><c>KL(sigmoid(beta d) || 1 - e)</c> (EXO, Ji et al. 2024, equation 16); needs e > 0.</summary>
    ExoPair,

    /// <summary><c>-log sigmoid(beta c) - 1/2 log sigmoid(-beta c) - 1/2 log sigmoid(-beta r)</c> (NCA, Chen et al. 2024).</summary>
    NcaPair,

    /// <summary><c>(-(1-e) log sigmoid(beta d) + e log sigmoid(-beta d)) / (1 - 2e)</c> (Chowdhury et al. 2024).</summary>
    Robust,

    /// <summary>
    /// <c>-log sigmoid(beta c) - log sigmoid(-beta r)</c> (BCO, Jung et al. 2024, without its shift by the mean reward, as in TRL).
    /// </summary>
    BcoPair,

    /// <summary><c>(c - 1/(2 beta))^2 + (r + 1/(2 beta))^2</c> (Wu et al. 2024).</summary>
    SppoHard,

    /// <summary>Sigmoid of sorted log-ratios against the reference's sorted ones (Melnyk et al. 2024, paired).</summary>
    Aot,

    /// <summary>Sigmoid of the sorted chosen against the sorted rejected scores (the same, unpaired).</summary>
    AotUnpaired,

    /// <summary><c>1 - sigmoid(beta c) + sigmoid(beta r)</c> (D'Oosterlinck et al. 2024, equation 7).</summary>
    ApoZero,

    /// <summary><c>sigmoid(beta c) + 1 - sigmoid(beta d)</c> (the same, equation 8).</summary>
    ApoDown,

    /// <summary>A mixture of the logistic and the exponential loss (Lu et al. 2024, equation 5).</summary>
    Discopop,

    /// <summary><c>-mean log pi_theta</c> over the tokens of the chosen sides (RPO's and CPO's second term).</summary>
    Sft,

    /// <summary>
    /// <c>-beta log sigmoid(log odds ratio)</c> of length-normalised probabilities (Hong et al. 2024); reads no reference. ORPO is
    /// <c>[sft, orpo]</c>.
    /// </summary>
    Orpo,
}

/// <summary>
/// The divergence from the reference, which turns a log-ratio <c>x = log pi_theta - log pi_0</c> into a score, 0 at x = 0 (Wang et al.
/// 2023, f-DPO).
/// </summary>
public enum DpoDivergence
{
    /// <summary><c>x</c>.</summary>
    ReverseKl,

    /// <summary><c>1 - exp(-x)</c>.</summary>
    ForwardKl,

    /// <summary><c>log 2 + log sigmoid(x)</c>.</summary>
    JsDivergence,

    /// <summary><c>(exp((alpha - 1) x) - 1) / (alpha - 1)</c>, alpha <see cref="DpoOptions.FAlphaDivergenceCoef"/>.</summary>
    AlphaDivergence,
}

/// <summary>DPO's own hyper-parameters. Defaults: Rafailov et al. 2023.</summary>
public sealed record DpoOptions : IObjectiveOptions
{
    /// <summary>Strength of the pull to the reference, greater than 0.</summary>
    [Range(0, double.PositiveInfinity, MinimumIsExclusive = true)]
    public double Beta { get; init; } = 0.1;

    /// <summary>The losses whose weighted sum is the loss: one, or several (MPO, RPO).</summary>
    [MinLength(1)]
    public IReadOnlyList<DpoLossType> LossType { get; init; } = [DpoLossType.Sigmoid];

    /// <summary>Their weights, as many; all 1 when empty.</summary>
    public IReadOnlyList<double> LossWeights { get; init; } = [];

    /// <summary>Probability that a preference is the wrong way round, in [0, 0.5), for the losses that know it.</summary>
    [Range(0.0, 0.5, MaximumIsExclusive = true)]
    public double LabelSmoothing { get; init; }

    /// <summary>Whether the reference's log-probabilities count as 0, as in CPO and SimPO.</summary>
    public bool ReferenceFree { get; init; }

    /// <summary>What sigmoid and sigmoid-norm subtract from <c>beta d</c>, at least 0: SimPO's gamma.</summary>
    [Range(0, double.PositiveInfinity)]
    public double TargetMargin { get; init; }

    /// <summary>The divergence from the reference.</summary>
    public DpoDivergence FDivergenceType { get; init; } = DpoDivergence.ReverseKl;

    /// <summary>Its alpha, where it has one; not 1.</summary>
    public double FAlphaDivergenceCoef { get; init; } = 0.5;

    /// <summary>Weight of the tokens by which one side is longer than the other, from 0 to 1 (LD-DPO, Liu et al. 2024); 1 is DPO.</summary>
    [Range(0.0, 1.0)]
    public double LdAlpha { get; init; } = 1;

    /// <summary>discopop: temperature of the mixture, greater than 0.</summary>
    [Range(0, double.PositiveInfinity, MinimumIsExclusive = true)]
    public double DiscopopTau { get; init; } = 0.05;

    /// <summary>Where the pairs come from.</summary>
    public DpoPairs Pairs { get; init; } = DpoPairs.Rollouts;

    /// <summary>Continuations of each prompt that a pair is chosen from, at least 2.</summary>
    [Range(2, int.MaxValue)]
    public int SamplesPerPrompt { get; init; } = 4;

    IEnumerable<OptionRule> IObjectiveOptions.Rules =>
        [
            new(
                LossWeights.Count == 0 || (LossWeights.Count == LossType.Count && LossWeights.All(double.IsFinite)),
                "dpo.loss-weights",
                "empty, or as many numbers as 'dpo.loss-type' has losses"
            ),
            new(
                LabelSmoothing > 0 || !LossType.Contains(DpoLossType.ExoPair),
                "dpo.label-smoothing",
                "greater than 0 with 'dpo.loss-type' exo-pair"
            ),
            new(
                double.IsFinite(FAlphaDivergenceCoef) && FAlphaDivergenceCoef != 1,
                "dpo.f-alpha-divergence-coef",
                "a number other than 1, where reverse-kl is meant"
            ),
        ];
}
