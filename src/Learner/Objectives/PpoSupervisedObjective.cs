using System.ComponentModel.DataAnnotations;
using DfPO.Models.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Objectives;

/// <summary>Hyper-parameters of PPO with a supervised term; those of <see cref="PpoOptions"/> hold too.</summary>
public sealed record PpoSupervisedOptions : IObjectiveOptions
{
    /// <summary>
    /// Weight of the supervised term, at least 0. InstructGPT's 27.8 weighs sums over batches of other sizes; with means over tokens 0.1 is
    /// our choice.
    /// </summary>
    [Range(0, double.PositiveInfinity)]
    public double Coefficient { get; init; } = 0.1;
}

/// <summary>
/// PPO that also raises the likelihood of a given continuation of each prompt (as PPO-ptx, Ouyang et al. 2022, equation 2, does with
/// pretraining text).
/// </summary>
/// <remarks>
/// Loss: PPO's over the rollouts' tokens, plus <c>c (-mean log pi_theta(a|s))</c> over the demonstrations' tokens. A minibatch holds each
/// rollout's demonstration beside it.
/// </remarks>
/// <param name="options">The switches.</param>
/// <param name="ppo">PPO's switches.</param>
/// <param name="clipRange"><c>eps</c> of <see cref="ClippedSurrogate"/>.</param>
public sealed class PpoSupervisedObjective(PpoSupervisedOptions options, PpoOptions ppo, ClipRange clipRange) : IObjective
{
    private readonly PpoObjective _ppo = new(ppo, clipRange);

    /// <inheritdoc/>
    public ObjectiveTraits Traits { get; } = new() { NeedsDemonstrations = true };

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, double> State => _ppo.State;

    /// <inheritdoc/>
    public void Restore(IReadOnlyDictionary<string, double> state) => _ppo.Restore(state);

    /// <inheritdoc/>
    public double[] TokenRewards(Trajectory trajectory) => _ppo.TokenRewards(trajectory);

    /// <inheritdoc/>
    public double[][] FinishRewards(double[][] rewards) => _ppo.FinishRewards(rewards);

    /// <inheritdoc/>
    public void EndIteration(double meanKl) => _ppo.EndIteration(meanKl);

    /// <inheritdoc/>
    public IReadOnlyList<Trajectory[]> Bundles(IReadOnlyList<Trajectory> batch) =>
        [.. batch.Select(t => new[] { t, Trajectory.Demonstrated(t.PromptTokens, t.Demonstration!) })];

    /// <inheritdoc/>
    public Tensor Loss(Tensor logprobs, TokenBatch batch, Statistics statistics)
    {
        using var scope = NewDisposeScope();
        Tensor Tokens(bool demonstrated) =>
            logprobs.index_select(0, tensor(batch.Indices(demonstrated).Select(t => (long)t).ToArray(), device: logprobs.device));
        var rolledOut = _ppo.Loss(Tokens(false), batch.Select(batch.Indices(demonstrated: false)), statistics);
        var given = SupervisedObjective.NegativeLogLikelihood(Tokens(true), statistics);
        return rolledOut.Plus(given.Times(options.Coefficient)).MoveToOuterDisposeScope();
    }
}
