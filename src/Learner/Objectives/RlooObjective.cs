using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Objectives;

/// <summary>RLOO's own hyper-parameters. Defaults: Ahmadian et al. 2024.</summary>
public sealed record RlooOptions : IObjectiveOptions
{
    /// <summary>Continuations of each prompt, at least 2.</summary>
    public int SamplesPerPrompt { get; init; } = 4;

    /// <summary>Coefficient of the sequence's KL penalty in the reward, at least 0.</summary>
    public double KlCoefficient { get; init; } = 0.03;

    IEnumerable<OptionRule> IObjectiveOptions.Rules =>
    [
        OptionRule.AtLeast(2, SamplesPerPrompt, "rloo.samples-per-prompt"),
        OptionRule.NotNegative(KlCoefficient, "rloo.kl-coefficient"),
    ];
}

/// <summary>REINFORCE with a leave-one-out baseline (Ahmadian et al. 2024, "Back to Basics", equation 8): the whole continuation is one action.</summary>
/// <remarks>
/// Reward of a sequence: <c>R = r - beta sum_t (log pi_theta_old - log pi_0)</c>; advantage: R minus the mean of the other continuations' R. Loss: <c>-mean_i s(rho_i, A_i)</c> with
/// the ratio of whole sequences, whose gradient at <c>rho = 1</c> is REINFORCE's <c>A_i grad log pi_theta(y_i|x)</c>; the clip only matters from a second step on (as in TRL). No value model.
/// </remarks>
/// <param name="options">The switches.</param>
/// <param name="clipRange"><c>eps</c> of <see cref="ClippedSurrogate"/>.</param>
public sealed class RlooObjective(RlooOptions options, double clipRange) : IObjective
{
    /// <inheritdoc/>
    public ObjectiveTraits Traits { get; } = new() { SamplesPerPrompt = options.SamplesPerPrompt, ValueHeads = 0 };

    /// <inheritdoc/>
    public double[][] Advantages(IReadOnlyList<Trajectory> batch) => GroupAdvantages.Broadcast(batch, Penalised, GroupAdvantages.LeaveOneOut);

    /// <inheritdoc/>
    public Tensor Loss(Tensor logprobs, TokenBatch batch, Statistics statistics)
    {
        using var scope = NewDisposeScope();
        double Sum(double[] values, SequenceSpan s) => values.AsSpan(s.Start, s.Length).ToArray().Sum();
        double[] old = [.. batch.Sequences.Select(s => Sum(batch.Logprobs, s))];
        // A stale sequence weighs as its tokens do on average: the product over its tokens would be all noise.
        double[] weights = [.. batch.Sequences.Select(s => batch.Advantages[s.Start] * (batch.Importance is { } importance ? Sum(importance, s) / s.Length : 1))];
        return ClippedSurrogate.Loss(logprobs.SumBySequence(batch.Sequences), old, weights, clipRange, statistics).MoveToOuterDisposeScope();
    }

    private double Penalised(Trajectory t) => t.Reward - options.KlCoefficient * t.Logprobs.Zip(t.ReferenceLogprobs, (p, q) => (double)p - q).Sum();
}
