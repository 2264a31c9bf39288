using System.ComponentModel.DataAnnotations;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Objectives;

/// <summary>TRPO's own hyper-parameters. Defaults: stable-baselines3-contrib, which RL4LMs takes over.</summary>
public sealed record TrpoOptions : IObjectiveOptions
{
    /// <summary>Coefficient of the per-token KL penalty in the reward, at least 0.</summary>
    [Range(0, double.PositiveInfinity)]
    public double KlCoefficient { get; init; } = 0.1;

    /// <summary>Target of that penalty's adaptive controller, nats a token; 0 keeps the coefficient fixed.</summary>
    [Range(0, double.PositiveInfinity)]
    public double TargetKl { get; init; }

    /// <summary>
    /// Strength of the controller: an iteration changes the coefficient by at most a fifth of this share (Ziegler et al. 2019; 0.1 in
    /// RL4LMs).
    /// </summary>
    [Range(0, double.PositiveInfinity, MinimumIsExclusive = true)]
    public double TargetKlRate { get; init; } = AdaptiveKl.Rl4LmsRate;

    /// <summary>Size of the trust region: <c>KL(pi_old || pi_new)</c> of a step, nats a token, greater than 0.</summary>
    [Range(0, double.PositiveInfinity, MinimumIsExclusive = true)]
    public double MaxStepKl { get; init; } = 0.01;

    /// <summary>Most iterations of the conjugate gradient.</summary>
    [Range(1, int.MaxValue)]
    public int ConjugateGradientIterations { get; init; } = 15;

    /// <summary>Added to the Fisher matrix's diagonal, at least 0.</summary>
    [Range(0, double.PositiveInfinity)]
    public double Damping { get; init; } = 0.1;

    /// <summary>Steps that the line search tries, at least 1.</summary>
    [Range(1, int.MaxValue)]
    public int LineSearchSteps { get; init; } = 10;

    /// <summary>Factor from one of them to the next, in (0, 1).</summary>
    [Range(0.0, 1.0, MinimumIsExclusive = true, MaximumIsExclusive = true)]
    public double LineSearchFactor { get; init; } = 0.8;

    /// <summary>Passes of the value model over the batch, after the policy's step.</summary>
    [Range(1, int.MaxValue)]
    public int CriticEpochs { get; init; } = 10;
}

/// <summary>
/// Trust-region policy optimisation (Schulman et al. 2015): the largest natural-gradient step that stays within a KL of the old policy.
/// </summary>
/// <remarks>
/// Surrogate <c>L = mean rho A</c>, advantages normalised over the batch as PPO does. Direction: <c>x</c> with
/// <c>(F + damping) x = grad L</c> by conjugate gradient, where <c>F</c> is the Fisher matrix of the policy at the batch's states. Step:
/// <c>sqrt(2 delta / x'(F + damping)x) x</c>, shortened until <c>KL(pi_old || pi_new)</c>, exact over the vocabulary, is under delta and
/// the surrogate has improved; no step when none does. The learner does it (<see cref="TrustRegion"/>), in place of AdamW, which steps the
/// value model alone.
/// </remarks>
/// <param name="options">The switches.</param>
public sealed class TrpoObjective(TrpoOptions options) : IObjective
{
    private readonly KlPenalty _penalty = new(new(options.KlCoefficient, options.TargetKl, options.TargetKlRate, "trpo/kl_coefficient"));

    /// <inheritdoc/>
    public ObjectiveTraits Traits { get; } = new() { Epochs = options.CriticEpochs, NeedsSecondDerivatives = true };

    /// <inheritdoc/>
    public TrpoOptions TrustRegion => options;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, double> State => _penalty.Controller.State;

    /// <inheritdoc/>
    public void Restore(IReadOnlyDictionary<string, double> state) => _penalty.Controller.Restore(state);

    /// <inheritdoc/>
    public double[] TokenRewards(Trajectory trajectory) => _penalty.TokenRewards(trajectory);

    /// <inheritdoc/>
    public void EndIteration(double meanKl) => _penalty.Controller.EndIteration(meanKl);

    /// <summary>The surrogate with its sign turned.</summary>
    public Tensor Loss(Tensor logprobs, TokenBatch batch, Statistics statistics)
    {
        using var scope = NewDisposeScope();
        Tensor Constant(double[] values) => tensor(values, device: logprobs.device).to(logprobs.dtype);
        var ratio = (logprobs - Constant(batch.Logprobs)).exp();
        return (ratio * Constant(batch.Weighted(PpoObjective.Normalized(batch.Advantages)))).mean().neg().MoveToOuterDisposeScope();
    }
}
