using DfPO.Models.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Objectives;

/// <summary>
/// Kahneman-Tversky optimisation (Ethayarajh et al. 2024, equation 8): each continuation by itself is wanted or not; no pair, no reward
/// model, no value model, no ratio.
/// </summary>
/// <remarks>
/// With <c>h = beta (log pi_theta(y|x) - log pi_0(y|x))</c>, a continuation gains from rising above the point
/// <c>z = beta max(0, mean KL)</c>, or from falling below it; see <see cref="KtoLossType"/>. The KL is estimated without a gradient from
/// prompts with other prompts' continuations, as in TRL, and is of whole continuations. From rollouts, what is above its prompt's mean
/// reward is wanted; a continuation at the mean is left out. The loss is the weighted mean over the minibatch.
/// </remarks>
/// <param name="options">The switches.</param>
public sealed class KtoObjective(KtoOptions options) : IObjective
{
    /// <inheritdoc/>
    public ObjectiveTraits Traits { get; } =
        new()
        {
            SamplesPerPrompt = options.Pairs == DpoPairs.Offline ? 0 : options.SamplesPerPrompt,
            ValueHeads = 0,
            NeedsMismatched = options.LossType == KtoLossType.Kto,
        };

    /// <summary>Each continuation that is better or worse than its group's mean.</summary>
    public IReadOnlyList<Trajectory[]> Bundles(IReadOnlyList<Trajectory> batch) =>
        [.. batch.Zip(Labels(batch)).Where(pair => pair.Second != 0).Select(pair => new[] { pair.First })];

    /// <summary>1 at the tokens of wanted continuations, -1 at the others'.</summary>
    public double[][] Advantages(IReadOnlyList<Trajectory> batch) => GroupAdvantages.Broadcast(batch, Labels(batch));

    /// <inheritdoc/>
    public Tensor Loss(Tensor logprobs, TokenBatch batch, Statistics statistics)
    {
        using var scope = NewDisposeScope();
        Tensor Constant(IEnumerable<double> values) => tensor(values.ToArray(), device: logprobs.device).to(logprobs.dtype);
        var layout = new SequenceLayout(batch.Sequences, logprobs);
        double[] labels = [.. batch.Sequences.Select(s => (double)Math.Sign(batch.Advantages[s.Start]))];
        var sums = layout.Sum(logprobs);
        var logRatios = sums - layout.Sum(Constant(batch.ReferenceLogprobs));
        var kl = Math.Max(
            0,
            batch.MismatchedLogRatios is { Length: > 0 } mismatched && options.LossType == KtoLossType.Kto ? mismatched.Average() : 0
        );
        Measure(sums.ToDoubles(), logRatios.ToDoubles(), labels, kl, statistics);
        var gains = logRatios.Plus(-kl).Times(options.Beta) * Constant(labels);
        var weights = Constant(labels.Select(label => label > 0 ? options.DesirableWeight : options.UndesirableWeight));
        return (gains.neg().sigmoid() * weights).mean().MoveToOuterDisposeScope();
    }

    private static double[] Labels(IReadOnlyList<Trajectory> batch) =>
        [
            .. GroupAdvantages
                .ByGroup([.. batch.Select(t => (double)t.Reward)], [.. batch.Select(t => t.Group)], GroupAdvantages.Centred)
                .Select(a => (double)Math.Sign(a)),
        ];

    private void Measure(double[] logprobs, double[] logRatios, double[] labels, double kl, Statistics statistics)
    {
        statistics.Add("kto/kl", kl);
        foreach (var (name, label) in new[] { ("desirable", 1), ("undesirable", -1) })
        {
            int[] those = [.. Enumerable.Range(0, labels.Length).Where(i => labels[i] == label)];
            if (those.Length == 0)
                continue;
            statistics.Add($"kto/{name}_reward", options.Beta * those.Sum(i => logRatios[i]), those.Length);
            statistics.Add($"kto/{name}_logprob", those.Sum(i => logprobs[i]), those.Length);
        }
    }
}
