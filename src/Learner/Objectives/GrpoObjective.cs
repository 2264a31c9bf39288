using DfPO.Models.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Objectives;

/// <summary>GRPO's own hyper-parameters. Defaults: DeepSeekMath, but for the group, which is 64 there.</summary>
public sealed record GrpoOptions : IObjectiveOptions
{
    /// <summary>Continuations of each prompt, at least 2.</summary>
    public int SamplesPerPrompt { get; init; } = 8;

    /// <summary>Coefficient of the KL term in the loss, at least 0.</summary>
    public double KlCoefficient { get; init; } = 0.04;

    /// <summary>Whether a group's advantages are divided by the deviation of its rewards; false is "Dr. GRPO".</summary>
    public bool ScaleByDeviation { get; init; } = true;

    /// <summary>How tokens make a loss.</summary>
    public LossAggregation Aggregation { get; init; } = LossAggregation.SequenceMean;

    IEnumerable<OptionRule> IObjectiveOptions.Rules =>
    [
        OptionRule.AtLeast(2, SamplesPerPrompt, "grpo.samples-per-prompt"),
        OptionRule.NotNegative(KlCoefficient, "grpo.kl-coefficient"),
    ];
}

/// <summary>Group-relative policy optimisation (Shao et al. 2024, "DeepSeekMath", equations 3 and 4): PPO whose baseline is the mean reward of a prompt's continuations.</summary>
/// <remarks>
/// Every token of continuation i has the advantage <c>A_i = (r_i - mean r) / (std r + 1e-4)</c> over its group. Loss: mean over sequences of the mean over tokens of
/// <c>-s(rho, A) + beta k3</c>, with <c>k3 = pi_0/pi_theta - log(pi_0/pi_theta) - 1</c>, an unbiased estimate of <c>KL(pi_theta || pi_0)</c> that is never negative. No value model.
/// </remarks>
/// <param name="options">The switches.</param>
/// <param name="clipRange"><c>eps</c> of <see cref="ClippedSurrogate"/>.</param>
public sealed class GrpoObjective(GrpoOptions options, double clipRange) : IObjective
{
    /// <inheritdoc/>
    public ObjectiveTraits Traits { get; } = new() { SamplesPerPrompt = options.SamplesPerPrompt, ValueHeads = 0 };

    /// <inheritdoc/>
    public double[][] Advantages(IReadOnlyList<Trajectory> batch) =>
        GroupAdvantages.Broadcast(batch, t => t.Reward, rewards => options.ScaleByDeviation ? GroupAdvantages.Standardised(rewards) : GroupAdvantages.Centred(rewards));

    /// <inheritdoc/>
    public Tensor Loss(Tensor logprobs, TokenBatch batch, Statistics statistics)
    {
        using var scope = NewDisposeScope();
        var surrogate = ClippedSurrogate.PerToken(logprobs, batch.Logprobs, batch.Weighted(batch.Advantages), clipRange, statistics);
        var toReference = tensor(batch.ReferenceLogprobs, device: logprobs.device).to(logprobs.dtype) - logprobs;
        var kl = (toReference.exp() - toReference).Plus(-1.0);
        statistics.Add("grpo/kl", kl.detach().sum().ToNumber(), batch.Count);
        return options.Aggregation.Aggregate(kl.Times(options.KlCoefficient) - surrogate, batch.Sequences).MoveToOuterDisposeScope();
    }
}
