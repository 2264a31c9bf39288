using System.ComponentModel.DataAnnotations;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Objectives;

/// <summary>RLOO's own hyper-parameters. Defaults: Ahmadian et al. 2024.</summary>
public sealed record RlooOptions : IObjectiveOptions
{
    /// <summary>Continuations of each prompt, at least 2.</summary>
    [Range(2, int.MaxValue)]
    public int SamplesPerPrompt { get; init; } = 4;

    /// <summary>Coefficient of the sequence's KL penalty in the reward, at least 0.</summary>
    [Range(0, double.PositiveInfinity)]
    public double KlCoefficient { get; init; } = 0.03;

    /// <summary>Whether advantages are centred over the batch and divided by their unbiased standard deviation + 1e-4.</summary>
    public bool NormalizeAdvantages { get; init; }

    /// <summary>Least and greatest reward, before the KL penalty: a higher or lower one counts as this; none when empty.</summary>
    public IReadOnlyList<double> RewardClipRange { get; init; } = [];

    IEnumerable<OptionRule> IObjectiveOptions.Rules =>
        [
            new(
                RewardClipRange.Count == 0 || (RewardClipRange.Count == 2 && RewardClipRange[0] < RewardClipRange[1]),
                "rloo.reward-clip-range",
                "empty, or two numbers, the lower one first"
            ),
        ];
}

/// <summary>
/// REINFORCE with a leave-one-out baseline (Ahmadian et al. 2024, "Back to Basics", equation 8): the whole continuation is one action.
/// </summary>
/// <remarks>
/// Reward of a sequence: <c>R = r - beta sum_t (log pi_theta_old - log pi_0)</c>; advantage: R minus the mean of the other continuations'
/// R. Loss: <c>-mean_i s(rho_i, A_i)</c> with the ratio of whole sequences, whose gradient at <c>rho = 1</c> is REINFORCE's
/// <c>A_i grad log pi_theta(y_i|x)</c>; the clip only matters from a second step on (as in TRL). No value model.
/// </remarks>
/// <param name="options">The switches.</param>
/// <param name="clip"><c>eps</c> of <see cref="ClippedSurrogate"/>.</param>
public sealed class RlooObjective(RlooOptions options, ClipRange clip) : IObjective
{
    /// <inheritdoc/>
    public ObjectiveTraits Traits { get; } = new() { SamplesPerPrompt = options.SamplesPerPrompt, ValueHeads = 0 };

    /// <inheritdoc/>
    public double[][] Advantages(IReadOnlyList<Trajectory> batch) =>
        GroupAdvantages.Broadcast(
            batch,
            SequenceAdvantages(
                [.. batch.Select(t => (double)t.Reward)],
                [.. batch.Select(t => t.Logprobs.Zip(t.ReferenceLogprobs, (p, q) => (double)p - q).Sum())],
                [.. batch.Select(t => t.Group)]
            )
        );

    /// <summary>Advantages of whole sequences.</summary>
    /// <param name="rewards">Their rewards; NaN where there is none: the advantage is then 0, and the others' do not know of it.</param>
    /// <param name="logRatios"><c>log pi_theta_old - log pi_0</c> of each, nats.</param>
    /// <param name="groups">The number of each one's group.</param>
    public double[] SequenceAdvantages(double[] rewards, double[] logRatios, int[] groups)
    {
        var penalised = Penalised(rewards, logRatios);
        var advantages = GroupAdvantages.ByGroup(penalised, groups, GroupAdvantages.LeaveOneOut);
        if (!options.NormalizeAdvantages)
            return advantages;
        return GroupAdvantages.Standardised([.. advantages.Zip(penalised, (a, r) => double.IsNaN(r) ? r : a)]);
    }

    /// <summary>Rewards of whole sequences less their KL penalties.</summary>
    public double[] Penalised(double[] rewards, double[] logRatios) =>
        [.. rewards.Zip(logRatios, (r, d) => Clipped(r) - options.KlCoefficient * d)];

    /// <inheritdoc/>
    public Tensor Loss(Tensor logprobs, TokenBatch batch, Statistics statistics)
    {
        using var scope = NewDisposeScope();
        var layout = new SequenceLayout(batch.Sequences, logprobs);
        double Sum(double[] values, SequenceSpan s) => values.AsSpan(s.Start, s.Length).ToArray().Sum();
        double[] old = [.. batch.Sequences.Select(s => Sum(batch.Logprobs, s))];
        // A stale sequence weighs as its tokens do on average: the product over its tokens would be all noise.
        double[] weights =
        [
            .. batch.Sequences.Select(s =>
                batch.Advantages[s.Start] * (batch.Importance is { } importance ? Sum(importance, s) / s.Length : 1)
            ),
        ];
        var sums = layout.Sum(logprobs);
        RatioFigures.MeasureExtremes(
            [.. sums.ToDoubles().Zip(old, (now, before) => now - before)],
            weights,
            [.. old.Select(_ => 1)],
            clip,
            statistics
        );
        return ClippedSurrogate.Loss(sums, old, weights, clip, statistics).MoveToOuterDisposeScope();
    }

    private double Clipped(double reward) =>
        options.RewardClipRange.Count == 0 ? reward : Math.Clamp(reward, options.RewardClipRange[0], options.RewardClipRange[1]);
}
