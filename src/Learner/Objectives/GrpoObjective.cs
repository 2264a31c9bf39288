using DfPO.Models.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Objectives;

/// <summary>
/// Group-relative policy optimisation (Shao et al. 2024, "DeepSeekMath", equations 3 and 4): PPO whose baseline is the mean reward of a
/// prompt's continuations.
/// </summary>
/// <remarks>
/// Every token of continuation i has the advantage <c>A_i = (r_i - mean r) / (std r + 1e-4)</c> over its group. Loss: mean over sequences
/// of the mean over tokens of <c>-s(rho, A) + beta k3</c>, with <c>k3 = pi_0/pi_theta - log(pi_0/pi_theta) - 1</c>, an unbiased estimate of
/// <c>KL(pi_theta || pi_0)</c> that is never negative. No value model. <see cref="GrpoLossType"/> has the other pushes and reductions; all
/// of them are TRL's (1.16), whose own defaults docs/algorithms/grpo.md tells.
/// </remarks>
/// <param name="options">The switches.</param>
/// <param name="clip"><c>eps</c> of <see cref="ClippedSurrogate"/>.</param>
public sealed class GrpoObjective(GrpoOptions options, ClipRange clip) : IObjective
{
    private readonly KlController _controller = new(options.KlCoefficient, options.TargetKl, options.TargetKlRate, "grpo/kl_coefficient");

    /// <inheritdoc/>
    public ObjectiveTraits Traits { get; } = new() { SamplesPerPrompt = options.SamplesPerPrompt, ValueHeads = 0 };

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, double> State => options.TargetKl > 0 ? _controller.State : new Dictionary<string, double>();

    /// <inheritdoc/>
    public void Restore(IReadOnlyDictionary<string, double> state)
    {
        if (options.TargetKl > 0)
            _controller.Restore(state);
    }

    /// <inheritdoc/>
    public void EndIteration(double meanKl) => _controller.EndIteration(meanKl);

    /// <inheritdoc/>
    public double[][] Advantages(IReadOnlyList<Trajectory> batch) =>
        GroupAdvantages.Broadcast(batch, SequenceAdvantages([.. batch.Select(t => (double)t.Reward)], [.. batch.Select(t => t.Group)]));

    /// <summary>Advantages of whole sequences.</summary>
    /// <param name="rewards">Their rewards; NaN where there is none: the advantage is then 0, and the others' do not know of it.</param>
    /// <param name="groups">The number of each one's group.</param>
    public double[] SequenceAdvantages(double[] rewards, int[] groups) =>
        options.ScaleRewards switch
        {
            RewardScale.Group => GroupAdvantages.ByGroup(rewards, groups, group => GroupAdvantages.Standardised(group)),
            RewardScale.Batch => Scaled(
                GroupAdvantages.ByGroup(rewards, groups, GroupAdvantages.Centred),
                1 / (GroupAdvantages.Deviation(rewards) + 1e-4)
            ),
            _ => GroupAdvantages.ByGroup(rewards, groups, GroupAdvantages.Centred),
        };

    /// <inheritdoc/>
    public Tensor Loss(Tensor logprobs, TokenBatch batch, Statistics statistics)
    {
        using var scope = NewDisposeScope();
        Tensor Constant(double[] values) => tensor(values, device: logprobs.device).to(logprobs.dtype);
        var layout = new SequenceLayout(batch.Sequences, logprobs, options.MaskTruncatedCompletions);
        var logRatio = logprobs - Constant(batch.Logprobs);
        var ofSequences = options.ImportanceSamplingLevel == RatioLevel.Sequence;
        var ratio = (ofSequences ? layout.Spread(layout.Mean(logRatio)) : logRatio).exp();
        var weights = batch.Weighted(batch.Advantages);
        var push = Push(logprobs, logRatio, ratio, Constant(weights), batch, layout, statistics);
        if (options.OffPolicyMaskThreshold != 0)
            push = push * Constant(OnPolicy(layout.Mean(logRatio).ToDoubles(), batch));
        Measure(logRatio, weights, layout, statistics);

        var toReference = Constant(batch.ReferenceLogprobs) - logprobs;
        var kl = (toReference.exp() - toReference).Plus(-1.0);
        if (options.UseBiasCorrectionKl)
            kl = kl * ratio;
        statistics.Add("grpo/kl", layout.Counted(kl).ToDoubles().Sum(), layout.Tokens);
        var loss = _controller.Coefficient > 0 ? kl.Times(_controller.Coefficient) - push : push.neg();
        return Reduce(loss, batch, layout).MoveToOuterDisposeScope();
    }

    /// <summary>What is maximised of each token, <c>[tokens]</c>.</summary>
    private Tensor Push(
        Tensor logprobs,
        Tensor logRatio,
        Tensor ratio,
        Tensor weights,
        TokenBatch batch,
        SequenceLayout layout,
        Statistics statistics
    )
    {
        switch (options.LossType)
        {
            case GrpoLossType.Cispo:
                var capped = layout.Kept(ratio.ToDoubles()).Zip(layout.Kept(batch.Advantages), (r, a) => r > clip.High && a > 0).ToArray();
                statistics.Add("grpo/cispo_clipped", capped.Count(x => x), capped.Length);
                return ratio.detach().Between(double.NegativeInfinity, clip.High) * weights * logprobs;
            case GrpoLossType.Sapo:
                var temperatures = tensor(
                        batch.Advantages.Select(a => a > 0 ? options.SapoTemperaturePos : options.SapoTemperatureNeg).ToArray(),
                        device: logprobs.device
                    )
                    .to(logprobs.dtype);
                return (ratio.Plus(-1.0) * temperatures).sigmoid().Times(4) / temperatures * weights;
            case GrpoLossType.Vespo:
                var phi = Phi(layout.Sum(logRatio.detach().Between(-20, 20)).ToDoubles(), batch);
                statistics.Add("grpo/vespo_phi", phi.Sum(), phi.Length);
                // The importance is within phi.
                return layout.Spread(tensor(phi, device: logprobs.device).to(logprobs.dtype))
                    * tensor(batch.Advantages, device: logprobs.device).to(logprobs.dtype)
                    * logprobs;
            default:
                return ClippedSurrogate.Of(ratio, weights, clip, options.Delta);
        }
    }

    /// <summary>VESPO's weight of each sequence, from the logarithm of its ratio.</summary>
    private double[] Phi(double[] logRatios, TokenBatch batch) =>
        [
            .. batch.Sequences.Select(
                (s, i) =>
                {
                    var correction = batch.Importance is { } importance
                        ? importance.AsSpan(s.Start, s.Length).ToArray().Sum(w => Math.Clamp(Math.Log(w), Math.Log(1e-8), 20))
                        : 0;
                    var log = Math.Clamp(logRatios[i] + correction, Math.Log(1e-8), 20);
                    var (k, lambda) =
                        batch.Advantages[s.Start] >= 0
                            ? (options.VespoKPos, options.VespoLambdaPos)
                            : (options.VespoKNeg, options.VespoLambdaNeg);
                    return Math.Exp(lambda + k * log - lambda * Math.Exp(log));
                }
            ),
        ];

    /// <summary>1 at the tokens of sequences that may be pushed, from each one's mean log-ratio.</summary>
    private double[] OnPolicy(double[] meanLogRatios, TokenBatch batch) =>
        [
            .. batch.Sequences.SelectMany(
                (s, i) =>
                    Enumerable.Repeat(
                        batch.Advantages[s.Start] >= 0 || -meanLogRatios[i] <= options.OffPolicyMaskThreshold ? 1.0 : 0.0,
                        s.Length
                    )
            ),
        ];

    private Tensor Reduce(Tensor perToken, TokenBatch batch, SequenceLayout layout) =>
        options.LossType switch
        {
            GrpoLossType.Grpo or GrpoLossType.Sapo => layout.Mean(perToken).mean(),
            GrpoLossType.Luspo => layout.Sum(perToken).mean(),
            GrpoLossType.Bnpo => layout.Counted(perToken).sum().Times(1.0 / Math.Max(1, layout.Tokens)),
            GrpoLossType.DrGrpo => layout.Sum(perToken).mean().Times(1.0 / options.MaxCompletionLength),
            _ => layout.Counted(perToken).sum().Times(1 / Math.Max(1, StepTokens(batch, layout))),
        };

    private double StepTokens(TokenBatch batch, SequenceLayout layout) =>
        batch.StepTokens is not { } tokens ? layout.Tokens
        : options.MaskTruncatedCompletions ? tokens.Ended
        : tokens.All;

    private void Measure(Tensor logRatio, double[] weights, SequenceLayout layout, Statistics statistics)
    {
        if (layout.Tokens == 0)
            return;
        var (logRatios, pushes, lengths) =
            options.ImportanceSamplingLevel == RatioLevel.Token
                ? (layout.Kept(logRatio.ToDoubles()), layout.Kept(weights), layout.Lengths)
                : (
                    layout.Mean(logRatio).ToDoubles(),
                    [.. layout.Sequences.Select(s => weights[s.Start])],
                    [.. layout.Lengths.Select(_ => 1)]
                );
        if (options.LossType is GrpoLossType.Cispo or GrpoLossType.Sapo or GrpoLossType.Vespo)
        {
            RatioFigures.Measure(logRatios, statistics);
            return;
        }
        RatioFigures.Measure(logRatios, pushes, clip, statistics, options.Delta);
        RatioFigures.MeasureExtremes(logRatios, pushes, lengths, clip, statistics, options.Delta);
    }

    private static double[] Scaled(double[] values, double by) => [.. values.Select(x => x * by)];
}
