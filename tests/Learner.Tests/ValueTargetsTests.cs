using DfPO.Learner.Configuration;
using DfPO.Learner.Objectives;
using DfPO.Learner.Updates;
using DfPO.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Tests;

/// <summary>The value model's loss and targets through the real learner, against formulas written out.</summary>
public sealed class ValueTargetsTests
{
    private static readonly LearnerOptions s_options = new()
    {
        Objective = ObjectiveKind.Ppo,
        LearningRate = 1e-3,
        ValueLearningRate = 1e-2,
        Epochs = 4,
        MinibatchSize = 8,
        MaxKl = 100,
        Ppo = new PpoOptions { KlCoefficient = 0 },
    };
    private readonly Trajectory[] _batch = Support.Trajectories(8, Support.TinyPolicy(), Support.TinyPolicy(3), 5);

    [Fact]
    public void A_clip_range_bounds_what_a_value_gains_from_moving()
    {
        // By the second step values have left their clip range, and the bound loss is greater than the plain one.
        double Loss(double clipRange) => Updated(s_options with { ValueClipRange = clipRange }, _batch).Metrics["value/loss"];
        var (plain, wide, narrow) = (Loss(0), Loss(1e6), Loss(1e-4));
        Assert.Equal(plain, wide, 1e-6);
        Assert.True(narrow > plain * 1.05, $"clipped {narrow}, plain {plain}");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_clipped_value_loss_and_its_step_are_those_of_the_formula(bool clips)
    {
        // Two steps on the whole batch: the first from the old values, where nothing is clipped, the second from those that it left.
        var options = s_options with { Epochs = 2, ValueClipRange = clips ? 0.02 : 0, ValueCoefficient = 0.7, MaxGradNorm = 1e9 };
        var value = Support.TinyValue();
        using var learner = new PolicyLearner(Support.TinyPolicy(), value, options, 1, "unused");
        var loss = learner.Update(_batch).Metrics["value/loss"];

        var naive = Support.TinyValue();
        using var scope = NewDisposeScope();
        var old = _batch.Select(t => Values(naive, t).data<float>().ToArray()).ToArray();
        var returns = _batch.Zip(old, (t, v) => Returns(t, v, last: 0)).ToArray();
        using var optimiser = new Optimisation.AdamW(
            Optimisation.ParameterGroup.Split(naive, "", options.ValueLearningRate, options.WeightDecay)
        );
        var losses = new List<double>();
        for (var step = 0; step < 2; step++)
        {
            var terms = _batch
                .Select(
                    (t, i) =>
                    {
                        var (v, before, target) = (Values(naive, t), tensor(old[i]), tensor(returns[i].Floats()));
                        var (difference, clipped) = (v - target, (v - before).Between(-0.02, 0.02) - (target - before));
                        return clips ? maximum(difference * difference, clipped * clipped) : difference * difference;
                    }
                )
                .ToArray();
            var mean = cat(terms).mean();
            losses.Add(mean.item<float>());
            mean.Times(options.ValueCoefficient).backward();
            optimiser.Step();
            optimiser.ZeroGrad();
        }
        Assert.Equal(losses.Average(), loss, 1e-5);
        // A key's bias shifts all scores of a query alike: its gradient is zero, and rounding noise in numbers.
        foreach (
            var ((name, ours), (_, theirs)) in value
                .named_parameters()
                .Zip(naive.named_parameters())
                .Where(p => !p.First.name.EndsWith("c_attn.bias"))
        )
            Assert.True((ours - theirs).abs().mean().item<float>() < 2e-4, name);
    }

    [Fact]
    public void A_continuation_that_was_cut_off_ends_there_unless_its_value_goes_on()
    {
        Trajectory[] batch = [.. _batch.Select((t, i) => t with { Truncated = i % 2 == 0 })];
        var value = Support.TinyValue();
        using var scope = NewDisposeScope();
        double Expected(bool bootstrap)
        {
            var (values, returns) = (new List<double>(), new List<double>());
            foreach (var t in batch)
            {
                float[] v = Values(value, t).data<float>().ToArray();
                values.AddRange(v.Select(x => (double)x));
                returns.AddRange(Returns(t, v, bootstrap && t.Truncated ? Last(value, t) : 0));
            }
            return ValueLoss.ExplainedVariance([.. values], [.. returns]);
        }
        double Got(bool bootstrap) => Updated(s_options with { BootstrapTruncated = bootstrap }, batch).Metrics["value/explained_variance"];

        Assert.Equal(Expected(bootstrap: false), Got(bootstrap: false), 1e-5);
        Assert.Equal(Expected(bootstrap: true), Got(bootstrap: true), 1e-5);
        Assert.True(Math.Abs(Got(bootstrap: true) - Got(bootstrap: false)) > 1e-3);
        // Nothing that ended goes on.
        Assert.Equal(
            Updated(s_options, _batch).Metrics.OrderBy(m => m.Key),
            Updated(s_options with { BootstrapTruncated = true }, _batch).Metrics.OrderBy(m => m.Key)
        );
    }

    private static LearnerReport Updated(LearnerOptions options, Trajectory[] batch)
    {
        using var learner = new PolicyLearner(Support.TinyPolicy(), Support.TinyValue(), options, 1, "unused");
        return learner.Update(batch);
    }

    private static Tensor Values(ValueModel value, Trajectory t) => All(value, t).narrow(0, t.PromptTokens.Length - 1, t.Tokens.Length);

    private static double Last(ValueModel value, Trajectory t) => All(value, t)[^1].item<float>();

    private static Tensor All(ValueModel value, Trajectory t) =>
        value.Values(tensor(t.PromptTokens.Concat(t.Tokens).Select(x => (long)x).ToArray()).unsqueeze(0))[0];

    /// <summary>
    /// Targets <c>A_t + V_t</c> with the advantage's sum written out: the reward at the last token, then a state worth
    /// <paramref name="last"/>.
    /// </summary>
    private static double[] Returns(Trajectory t, float[] v, double last) =>
        [
            .. Enumerable
                .Range(0, v.Length)
                .Select(i =>
                    v[i]
                    + Enumerable
                        .Range(i, v.Length - i)
                        .Sum(j =>
                            Math.Pow(s_options.Gamma * s_options.Lambda, j - i)
                            * ((j == v.Length - 1 ? t.Reward + s_options.Gamma * last : s_options.Gamma * v[j + 1]) - v[j])
                        )
                ),
        ];
}
