using DfPO.Models.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Objectives;

/// <summary>Supervised fine-tuning: the likelihood of given continuations. Nothing is rolled out and nothing is valued.</summary>
/// <remarks>
/// Loss: <c>-mean log pi_theta(a|s)</c> over the tokens of <see cref="Trajectory.Demonstration"/>; the prompt's tokens are not learnt
/// (RL4LMs learns those too).
/// </remarks>
public sealed class SupervisedObjective : IObjective
{
    /// <inheritdoc/>
    public ObjectiveTraits Traits { get; } =
        new()
        {
            SamplesPerPrompt = 0,
            ValueHeads = 0,
            NeedsReference = false,
            ComparesPolicies = false,
            NeedsDemonstrations = true,
        };

    /// <summary>The demonstrations, whatever came with them.</summary>
    public IReadOnlyList<Trajectory[]> Bundles(IReadOnlyList<Trajectory> batch) =>
        [.. batch.Select(t => new[] { t.IsDemonstration ? t : Trajectory.Demonstrated(t.PromptTokens, t.Demonstration!) })];

    /// <inheritdoc/>
    public Tensor Loss(Tensor logprobs, TokenBatch batch, Statistics statistics) => NegativeLogLikelihood(logprobs, statistics);

    /// <summary><c>-mean log pi_theta</c> of given tokens.</summary>
    /// <param name="logprobs">Current log-probabilities <c>[tokens]</c>, with a gradient.</param>
    /// <param name="statistics">Receives <c>supervised/nll</c>, nats a token.</param>
    internal static Tensor NegativeLogLikelihood(Tensor logprobs, Statistics statistics)
    {
        using var scope = NewDisposeScope();
        var loss = logprobs.mean().neg();
        statistics.Add("supervised/nll", loss.ToNumber() * logprobs.size(0), logprobs.size(0));
        return loss.MoveToOuterDisposeScope();
    }
}
