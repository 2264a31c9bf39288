using DfPO.Models.Policies;
using static TorchSharp.torch;

namespace DfPO.Learner.Objectives;

/// <summary>Proximal policy optimisation with a KL penalty in the reward, as RL4LMs runs it: the baseline.</summary>
/// <remarks>
/// Reward of token t: <c>[t is last] r - beta (log pi_theta_old - log pi_0)</c> (RL4LMs; Ziegler et al. 2019). Loss: <c>-mean s(rho, A)</c>
/// with advantages centred and divided by their unbiased standard deviation + 1e-8 in each minibatch. <c>beta</c> is fixed, or adapts to a
/// target after each iteration (<see cref="AdaptiveKl"/>).
/// </remarks>
/// <param name="options">The switches.</param>
/// <param name="clip"><c>eps</c> of <see cref="ClippedSurrogate"/>.</param>
public sealed class PpoObjective(PpoOptions options, ClipRange clip) : IObjective
{
    private readonly KlPenalty _penalty = new(
        new(options.KlCoefficient, options.TargetKl, options.TargetKlRate, "ppo/kl_coefficient"),
        options.KlPenalty
    );

    /// <inheritdoc/>
    public ObjectiveTraits Traits { get; } = new();

    /// <summary><c>beta</c> of the next rewards.</summary>
    public double KlCoefficient => _penalty.Controller.Coefficient;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, double> State => _penalty.Controller.State;

    /// <inheritdoc/>
    public void Restore(IReadOnlyDictionary<string, double> state) => _penalty.Controller.Restore(state);

    /// <inheritdoc/>
    public bool Accepts(DecodingPolicy behaviour) => Traits.Behaviours.Contains(behaviour);

    /// <inheritdoc/>
    public double[] TokenRewards(Trajectory trajectory) => _penalty.TokenRewards(trajectory);

    /// <summary>The same, from the log-ratios <c>log pi_theta_old - log pi_0</c> of a continuation's tokens and its reward.</summary>
    public double[] TokenRewards(double[] logRatios, double reward) => _penalty.TokenRewards(logRatios, reward);

    /// <inheritdoc/>
    public double[][] FinishRewards(double[][] rewards)
    {
        if (!options.WhitenRewards)
            return rewards;
        var (whitened, start) = (Whitening.Apply([.. rewards.SelectMany(r => r)], keepMean: true), 0);
        return [.. rewards.Select(r => whitened[start..(start += r.Length)])];
    }

    /// <inheritdoc/>
    public Tensor Loss(Tensor logprobs, TokenBatch batch, Statistics statistics)
    {
        var advantages = options.NormalizeAdvantages ? Normalized(batch.Advantages) : batch.Advantages;
        return ClippedSurrogate.Loss(logprobs, batch.Logprobs, batch.Weighted(advantages), clip, statistics, options.Delta);
    }

    /// <inheritdoc/>
    public void EndIteration(double meanKl) => _penalty.Controller.EndIteration(meanKl);

    /// <summary><c>(A - mean) / (std + 1e-8)</c>, std unbiased; a single advantage is only centred.</summary>
    public static double[] Normalized(double[] advantages)
    {
        var mean = advantages.Average();
        var deviation = Math.Sqrt(advantages.Sum(a => (a - mean) * (a - mean)) / Math.Max(1, advantages.Length - 1));
        return [.. advantages.Select(a => (a - mean) / (deviation + 1e-8))];
    }
}
