using System.ComponentModel.DataAnnotations;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Objectives;

/// <summary>A2C's own hyper-parameters. Defaults: RL4LMs's IMDB settings.</summary>
public sealed record A2cOptions : IObjectiveOptions
{
    /// <summary>Coefficient of the per-token KL penalty in the reward, at least 0.</summary>
    [Range(0, double.PositiveInfinity)]
    public double KlCoefficient { get; init; } = 0.1;

    /// <summary>Target of the adaptive controller, nats a token; 0 keeps the coefficient fixed.</summary>
    [Range(0, double.PositiveInfinity)]
    public double TargetKl { get; init; } = 0.5;

    /// <summary>
    /// Strength of the controller: an iteration changes the coefficient by at most a fifth of this share (Ziegler et al. 2019; 0.1 in
    /// RL4LMs).
    /// </summary>
    [Range(0, double.PositiveInfinity, MinimumIsExclusive = true)]
    public double TargetKlRate { get; init; } = AdaptiveKl.Rl4LmsRate;

    /// <summary>GAE's lambda, in [0, 1]; 1 takes whole returns.</summary>
    [Range(0.0, 1.0)]
    public double Lambda { get; init; } = 1;
}

/// <summary>Advantage actor-critic (Mnih et al. 2016, synchronous): the plain policy gradient with a learnt baseline.</summary>
/// <remarks>
/// Loss: <c>-mean A log pi_theta(a|s)</c>, advantages as they are, one step on the whole batch. Rewards carry a KL penalty, as for every
/// algorithm of RL4LMs. It takes RMSprop there; here AdamW steps, as for every other rule.
/// </remarks>
/// <param name="options">The switches.</param>
public sealed class A2cObjective(A2cOptions options) : IObjective
{
    private readonly KlPenalty _penalty = new(new(options.KlCoefficient, options.TargetKl, options.TargetKlRate, "a2c/kl_coefficient"));

    /// <inheritdoc/>
    public ObjectiveTraits Traits { get; } =
        new()
        {
            WholeBatch = true,
            Epochs = 1,
            ComparesPolicies = false,
            Lambda = options.Lambda,
        };

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, double> State => _penalty.Controller.State;

    /// <inheritdoc/>
    public void Restore(IReadOnlyDictionary<string, double> state) => _penalty.Controller.Restore(state);

    /// <inheritdoc/>
    public double[] TokenRewards(Trajectory trajectory) => _penalty.TokenRewards(trajectory);

    /// <inheritdoc/>
    public void EndIteration(double meanKl) => _penalty.Controller.EndIteration(meanKl);

    /// <inheritdoc/>
    public Tensor Loss(Tensor logprobs, TokenBatch batch, Statistics statistics)
    {
        using var scope = NewDisposeScope();
        var advantages = tensor(batch.Weighted(batch.Advantages), device: logprobs.device).to(logprobs.dtype);
        return (logprobs * advantages).mean().neg().MoveToOuterDisposeScope();
    }
}
