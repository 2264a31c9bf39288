using System.ComponentModel.DataAnnotations;
using DfPO.Learner.Advantages;
using static TorchSharp.torch;

namespace DfPO.Learner.Objectives;

/// <summary>REINFORCE++'s own hyper-parameters. Defaults: OpenRLHF.</summary>
public sealed record ReinforcePlusPlusOptions : IObjectiveOptions
{
    /// <summary>Coefficient of the per-token KL penalty in the reward, at least 0.</summary>
    [Range(0, double.PositiveInfinity)]
    public double KlCoefficient { get; init; } = 0.01;

    /// <summary>Discount of the rewards to come, in (0, 1].</summary>
    [Range(0.0, 1.0, MinimumIsExclusive = true)]
    public double Gamma { get; init; } = 1;
}

/// <summary>REINFORCE++ (Hu 2025): REINFORCE with PPO's tricks and no critic; the baseline is the mean over the whole batch.</summary>
/// <remarks>
/// Reward of token t: <c>[t is last] r - beta (log pi_theta_old - log pi_0)</c>. Advantage: <c>sum_{i >= t} gamma^{i-t} r_i</c>, whitened
/// over all tokens of the batch: <c>(A - mean) / sqrt(var + 1e-8)</c>. Loss: <c>-mean s(rho, A)</c>.
/// </remarks>
/// <param name="options">The switches.</param>
/// <param name="clipRange"><c>eps</c> of <see cref="ClippedSurrogate"/>.</param>
public sealed class ReinforcePlusPlusObjective(ReinforcePlusPlusOptions options, ClipRange clipRange) : IObjective
{
    private readonly KlPenalty _penalty = new(
        new(options.KlCoefficient, target: 0, AdaptiveKl.Rl4LmsRate, "reinforce_plus_plus/kl_coefficient")
    );

    /// <inheritdoc/>
    public ObjectiveTraits Traits { get; } = new() { ValueHeads = 0 };

    /// <inheritdoc/>
    public double[][] Advantages(IReadOnlyList<Trajectory> batch) =>
        RewardsToCome.Whitened([.. batch.Select(_penalty.TokenRewards)], options.Gamma);

    /// <inheritdoc/>
    public Tensor Loss(Tensor logprobs, TokenBatch batch, Statistics statistics) =>
        ClippedSurrogate.Loss(logprobs, batch.Logprobs, batch.Weighted(batch.Advantages), clipRange, statistics);
}
