using System.ComponentModel.DataAnnotations;
using DfPO.Models.Options;

namespace DfPO.Learner.Guards;

/// <summary>What an alarm does.</summary>
public enum GuardAction
{
    /// <summary>Nothing.</summary>
    Off,

    /// <summary>The batch is saved and the report says so.</summary>
    Warn,

    /// <summary>The batch is saved and the run stops with an error.</summary>
    Stop,
}

/// <summary>Alarms on signs that a run has gone wrong. Figures are those of one iteration; see <see cref="GuardFigures"/>.</summary>
public sealed record GuardOptions
{
    /// <summary>
    /// When the mean KL a token is above <see cref="Configuration.LearnerOptions.MaxKl"/>: the policy has left the reference.
    /// </summary>
    public GuardAction ExplodingKl { get; init; } = GuardAction.Stop;

    /// <summary>
    /// When the mean KL a token of samples of the policy is under <see cref="MinKl"/>: its expectation cannot be negative, so what is
    /// sampled is not what is scored.
    /// </summary>
    public GuardAction NegativeKl { get; init; } = GuardAction.Warn;

    /// <summary>Nats a token, at most 0: noise of a small batch is allowed for.</summary>
    [Range(double.NegativeInfinity, 0.0)]
    [Unit("nats a token")]
    public double MinKl { get; init; } = -0.2;

    /// <summary>When the policy's mean entropy a token is under <see cref="MinEntropy"/>: it has stopped exploring.</summary>
    public GuardAction EntropyCollapse { get; init; } = GuardAction.Warn;

    /// <summary>Nats, at least 0.</summary>
    [Range(0, double.PositiveInfinity)]
    [Unit("nats")]
    public double MinEntropy { get; init; } = 0.1;

    /// <summary>When the mean share of repeated trigrams is above <see cref="MaxRepetition"/>.</summary>
    public GuardAction Repetition { get; init; } = GuardAction.Warn;

    /// <summary>Share of a continuation's trigrams that occurred in it before, in (0, 1].</summary>
    [Range(0.0, 1.0, MinimumIsExclusive = true)]
    public double MaxRepetition { get; init; } = 0.5;

    /// <summary>
    /// When the reward is above that of the run's first iterations while the rollouts' perplexity under the reference is more than
    /// <see cref="MaxPerplexityRatio"/> times theirs: the reward is being gamed with text that the reference finds strange.
    /// </summary>
    public GuardAction RewardHacking { get; init; } = GuardAction.Warn;

    /// <summary>Greater than 1.</summary>
    [Range(1, double.PositiveInfinity, MinimumIsExclusive = true)]
    public double MaxPerplexityRatio { get; init; } = 3;

    /// <summary>First iterations whose means reward and perplexity are compared with, at least 1.</summary>
    [Range(1, int.MaxValue)]
    [Unit("iterations")]
    public int BaselineIterations { get; init; } = 5;
}
