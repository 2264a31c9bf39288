using DfPO.Models.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Objectives;

/// <summary>Where DPO's pairs come from.</summary>
public enum DpoPairs
{
    /// <summary>The best and the worst of a prompt's rollouts, by reward.</summary>
    Rollouts,

    /// <summary>Given pairs (<see cref="PreferencePair"/>); nothing is rolled out.</summary>
    Offline,
}

/// <summary>DPO's own hyper-parameters. Defaults: Rafailov et al. 2023.</summary>
public sealed record DpoOptions : IObjectiveOptions
{
    /// <summary>Strength of the pull to the reference, greater than 0.</summary>
    public double Beta { get; init; } = 0.1;

    /// <summary>Probability that a preference is the wrong way round, in [0, 0.5) (conservative DPO).</summary>
    public double LabelSmoothing { get; init; }

    /// <summary>Where the pairs come from.</summary>
    public DpoPairs Pairs { get; init; } = DpoPairs.Rollouts;

    /// <summary>Continuations of each prompt that a pair is chosen from, at least 2.</summary>
    public int SamplesPerPrompt { get; init; } = 4;

    IEnumerable<OptionRule> IObjectiveOptions.Rules =>
    [
        OptionRule.Positive(Beta, "dpo.beta"),
        new(LabelSmoothing is >= 0 and < 0.5, "dpo.label-smoothing", "at least 0 and below 0.5"),
        OptionRule.AtLeast(2, SamplesPerPrompt, "dpo.samples-per-prompt"),
    ];
}

/// <summary>Direct preference optimisation (Rafailov et al. 2023, equation 7): a classification loss on pairs; neither reward model nor value model nor ratio.</summary>
/// <remarks>
/// With <c>h(y) = beta (log pi_theta(y|x) - log pi_0(y|x))</c>, the implicit reward of a continuation: loss <c>-mean log sigmoid(h(chosen) - h(rejected))</c> over pairs; with label
/// smoothing e, <c>-(1-e) log sigmoid(d) - e log sigmoid(-d)</c>. A prompt whose continuations all have the same reward makes no pair.
/// </remarks>
/// <param name="options">The switches.</param>
public sealed class DpoObjective(DpoOptions options) : IObjective
{
    /// <inheritdoc/>
    public ObjectiveTraits Traits { get; } = new() { SamplesPerPrompt = options.Pairs == DpoPairs.Offline ? 0 : options.SamplesPerPrompt, ValueHeads = 0, SequencesPerUnit = 2 };

    /// <summary>One pair a group: its first best and its first worst continuation.</summary>
    public IReadOnlyList<Trajectory[]> Units(IReadOnlyList<Trajectory> batch) =>
        [.. batch.GroupBy(t => t.Group).Select(group => new[] { group.MaxBy(t => t.Reward)!, group.MinBy(t => t.Reward)! }).Where(pair => pair[0].Reward > pair[1].Reward)];

    /// <inheritdoc/>
    public Tensor Loss(Tensor logprobs, TokenBatch batch, Statistics statistics)
    {
        using var scope = NewDisposeScope();
        var reference = tensor(batch.ReferenceLogprobs, device: logprobs.device).to(logprobs.dtype);
        var implicitRewards = (logprobs - reference).Times(options.Beta).SumBySequence(batch.Sequences).view(-1, 2);
        var margin = implicitRewards.select(1, 0) - implicitRewards.select(1, 1);
        var loss = nn.functional.logsigmoid(margin).Times(1 - options.LabelSmoothing).Plus(nn.functional.logsigmoid(margin.neg()).Times(options.LabelSmoothing));
        var margins = margin.ToDoubles();
        statistics.Add("dpo/margin", margins.Sum(), margins.Length);
        statistics.Add("dpo/accuracy", margins.Count(m => m > 0), margins.Length);
        return loss.mean().neg().MoveToOuterDisposeScope();
    }
}
