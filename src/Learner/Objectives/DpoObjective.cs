using DfPO.Models.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Objectives;

/// <summary>
/// Direct preference optimisation (Rafailov et al. 2023, equation 7): a classification loss on pairs; neither reward model nor value model
/// nor ratio.
/// </summary>
/// <remarks>
/// With <c>h(y) = beta (log pi_theta(y|x) - log pi_0(y|x))</c>, the implicit reward of a continuation: loss
/// <c>-mean log sigmoid(h(chosen) - h(rejected))</c> over pairs; with label smoothing e, <c>-(1-e) log sigmoid(d) - e log sigmoid(-d)</c>.
/// A prompt whose continuations all have the same reward makes no pair. <see cref="DpoLossType"/> has the relatives.
/// </remarks>
/// <param name="options">The switches.</param>
public sealed class DpoObjective(DpoOptions options) : IObjective
{
    private readonly PairLosses _losses = new(options);

    /// <inheritdoc/>
    public ObjectiveTraits Traits { get; } =
        new()
        {
            SamplesPerPrompt = options.Pairs == DpoPairs.Offline ? 0 : options.SamplesPerPrompt,
            ValueHeads = 0,
            SequencesPerBundle = 2,
            NeedsReference = !options.ReferenceFree,
        };

    /// <summary>One pair a group: its first best and its first worst continuation.</summary>
    public IReadOnlyList<Trajectory[]> Bundles(IReadOnlyList<Trajectory> batch) =>
        [
            .. batch
                .GroupBy(t => t.Group)
                .Select(group => new[] { group.MaxBy(t => t.Reward)!, group.MinBy(t => t.Reward)! })
                .Where(pair => pair[0].Reward > pair[1].Reward),
        ];

    /// <inheritdoc/>
    public Tensor Loss(Tensor logprobs, TokenBatch batch, Statistics statistics)
    {
        using var scope = NewDisposeScope();
        var layout = new SequenceLayout(batch.Sequences, logprobs);
        var pairs = Sums(logprobs, batch, layout);
        Measure(pairs, statistics);
        var losses = options.LossType.Select(
            (type, i) => One(type, pairs, logprobs, layout).Times(options.LossWeights.Count == 0 ? 1 : options.LossWeights[i])
        );
        return losses.Aggregate((a, b) => a.Plus(b)).MoveToOuterDisposeScope();
    }

    private Tensor One(DpoLossType type, PairSums pairs, Tensor logprobs, SequenceLayout layout) =>
        type == DpoLossType.Sft ? Side(layout.Sum(logprobs), 0).sum().neg() / pairs.ChosenLength.sum() : _losses.Of(type, pairs).mean();

    private PairSums Sums(Tensor logprobs, TokenBatch batch, SequenceLayout layout)
    {
        var sums = layout.Sum(Discounted(logprobs, batch.Sequences));
        var reference = options.ReferenceFree
            ? zeros_like(sums)
            : layout.Sum(Discounted(tensor(batch.ReferenceLogprobs, device: logprobs.device).to(logprobs.dtype), batch.Sequences));
        return new PairSums(
            Side(sums, 0),
            Side(sums, 1),
            Side(reference.detach(), 0),
            Side(reference.detach(), 1),
            Side(layout.LengthsOrOne, 0),
            Side(layout.LengthsOrOne, 1)
        );
    }

    /// <summary>LD-DPO: what one side has beyond the other's length weighs less.</summary>
    private Tensor Discounted(Tensor perToken, IReadOnlyList<SequenceSpan> sequences)
    {
        if (options.LdAlpha == 1)
            return perToken;
        double[] weights =
        [
            .. sequences.SelectMany(
                (s, i) =>
                {
                    var shared = Math.Min(s.Length, sequences[i ^ 1].Length);
                    return Enumerable.Range(0, s.Length).Select(t => t < shared ? 1 : options.LdAlpha);
                }
            ),
        ];
        return perToken * tensor(weights, device: perToken.device).to(perToken.dtype);
    }

    private void Measure(PairSums pairs, Statistics statistics)
    {
        var (chosen, rejected) = (
            (pairs.Chosen - pairs.ReferenceChosen).ToDoubles(),
            (pairs.Rejected - pairs.ReferenceRejected).ToDoubles()
        );
        double[] margins = [.. chosen.Zip(rejected, (c, r) => options.Beta * (c - r))];
        statistics.Add("dpo/margin", margins.Sum(), margins.Length);
        statistics.Add("dpo/accuracy", margins.Count(m => m > 0), margins.Length);
        statistics.Add("dpo/chosen_reward", options.Beta * chosen.Sum(), chosen.Length);
        statistics.Add("dpo/rejected_reward", options.Beta * rejected.Sum(), rejected.Length);
        statistics.Add("dpo/chosen_logprob", pairs.Chosen.ToDoubles().Sum(), chosen.Length);
        statistics.Add("dpo/rejected_logprob", pairs.Rejected.ToDoubles().Sum(), rejected.Length);
    }

    /// <summary>The chosen (0) or the rejected (1) sides of values a sequence, which alternate.</summary>
    private static Tensor Side(Tensor perSequence, int side) => perSequence.view(-1, 2).select(1, side);
}
