using System.Diagnostics;
using DfPO.Learner.Configuration;
using DfPO.Learner.Objectives;
using DfPO.Learner.Updates;
using DfPO.Models;
using DfPO.Models.Diagnostics;
using DfPO.Models.Policies;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Tests;

public sealed class PolicyLearnerReportTests
{
    private static readonly LearnerOptions s_options = new()
    {
        LearningRate = 1e-3,
        Epochs = 3,
        MinibatchSize = 4,
        MaxKl = 100,
    };

    [Fact]
    public void A_report_names_the_figures_of_the_update()
    {
        using var policy = Support.TinyPolicy();
        using var reference = Support.TinyPolicy(3);
        using var value = Support.TinyValue();
        var batch = Support.Trajectories(8, policy, reference, 11);
        using var learner = new PolicyLearner(policy, value, s_options, 1, "unused");
        var metrics = learner.Update(batch).Metrics;
        string[] names =
        [
            "objective/kl",
            "objective/kl_full",
            "objective/rewards",
            "objective/entropy",
            "objective/advantages_positive",
            "learner/lr",
            "policy/loss",
            "policy/approx_kl",
            "policy/clip_fraction",
            "policy/clip_low",
            "policy/clip_high",
            "policy/clip_region",
            "policy/ratio",
            "value/loss",
            "value/explained_variance",
            "grad/norm",
            "dfpo/mask_positive",
            "dfpo/mask_negative",
            "dfpo/advantage_positive",
            "rollout_is/mean",
            "rollout_is/std",
            "rollout_is/max",
            "rollout_is/truncated_fraction",
        ];
        Assert.Equal(names.Order(), metrics.Keys.Order());
        Assert.All(metrics.Values, v => Assert.True(double.IsFinite(v)));
        Assert.Equal(batch.Average(t => t.Reward), metrics["objective/rewards"], 1e-6);
        Assert.Equal(batch.SelectMany(t => t.Logprobs.Zip(t.ReferenceLogprobs, (p, q) => p - q)).Average(), metrics["objective/kl"], 1e-5);
        Assert.Equal(batch.SelectMany(t => t.StateKl).Average(), metrics["objective/kl_full"], 1e-5);
        Assert.InRange(metrics["objective/entropy"], 0.1, Math.Log(Support.Vocabulary));
        Assert.InRange(metrics["dfpo/mask_positive"], 0.01, 0.99);
    }

    [Fact]
    public void A_report_tells_of_each_token_its_advantage_and_what_its_mask_made_of_it()
    {
        using var policy = Support.TinyPolicy();
        using var reference = Support.TinyPolicy(3);
        using var value = Support.TinyValue();
        var batch = Support.Trajectories(8, policy, reference, 11);
        var options = s_options with { Dfpo = new DfpoOptions { MaskAt = DfpoMaskAt.Rollout, Tolerance = 0.05f } };
        using var learner = new PolicyLearner(policy, value, options, 1, "unused");
        var report = learner.Update(batch);
        Assert.Equal(8, report.Tokens.Count);
        var (open, tested) = (0, 0);
        foreach (var (trajectory, tokens) in batch.Zip(report.Tokens))
        {
            Assert.Equal(trajectory.Tokens.Length, tokens!.Advantages.Count);
            for (var t = 0; t < tokens.Masks.Count; t++)
            {
                var logRatio = trajectory.Logprobs[t] - trajectory.ReferenceLogprobs[t];
                var lets = tokens.Advantages[t] > 0 ? logRatio <= 0.05f : logRatio >= -0.05f;
                // At the very edge the learner's own numbers may round otherwise.
                if (Math.Abs(Math.Abs(logRatio) - 0.05f) > 1e-4)
                    Assert.Equal(lets ? TokenMask.Open : TokenMask.Shut, tokens.Masks[t]);
                tested++;
                open += tokens.Masks[t] == TokenMask.Open ? 1 : 0;
            }
        }
        Assert.InRange(open, 1, tested - 1);
    }

    [Fact]
    public void A_rule_without_a_mask_has_tested_no_token()
    {
        using var policy = Support.TinyPolicy();
        using var reference = Support.TinyPolicy(3);
        using var value = Support.TinyValue();
        using var learner = new PolicyLearner(policy, value, s_options with { Objective = ObjectiveKind.Ppo }, 1, "unused");
        var tokens = learner.Update(Support.Trajectories(8, policy, reference, 11)).Tokens;
        Assert.All(tokens, one => Assert.All(one!.Masks, mask => Assert.Equal(TokenMask.Untested, mask)));
        Assert.Contains(tokens, one => one!.Advantages.Any(advantage => advantage != 0));
    }

    [Fact]
    public void The_masks_shares_are_counted_over_the_tokens_of_their_sign()
    {
        var statistics = new Statistics();
        // l: 0.5, 0.5, -0.5, -0.5, 0; signs: + - + - +.
        var batch = Support.Tokens([0.5f, 0.5f, -0.5f, -0.5f, 0], new float[5], [1, -1, 1, -1, 1]);
        var weights = new DfpoObjective(new DfpoOptions { MaskAt = DfpoMaskAt.Rollout, Tolerance = 0.1f }, 0.2).Weights(
            new double[5],
            batch,
            statistics
        );
        Assert.Equal([0, -1, 1, 0, 1], weights);
        var means = statistics.Means();
        Assert.Equal(2 / 3.0, means["dfpo/mask_positive"], 1e-12);
        Assert.Equal(1 / 2.0, means["dfpo/mask_negative"], 1e-12);
        Assert.Equal(3 / 5.0, means["dfpo/advantage_positive"], 1e-12);
    }

    [Fact]
    public void In_the_warm_up_the_policy_stays_bit_for_bit_and_the_value_learns()
    {
        using var policy = Support.TinyPolicy();
        using var reference = Support.TinyPolicy(3);
        using var value = Support.TinyValue();
        var batch = Support.Trajectories(8, policy, reference, 11);
        using var learner = new PolicyLearner(policy, value, s_options with { ValueWarmupIterations = 2, Epochs = 10 }, 1, "unused");
        var before = Support.Bytes(policy);
        var first = learner.Update(batch).Metrics;
        var second = learner.Update(batch).Metrics;
        Assert.Equal(before, Support.Bytes(policy));
        Assert.False(first.ContainsKey("policy/loss"));
        Assert.True(second["value/loss"] < first["value/loss"]);
        Assert.True(second["value/explained_variance"] > first["value/explained_variance"]);
        Assert.Contains("policy/loss", learner.Update(batch).Metrics.Keys);
        Assert.NotEqual(before, Support.Bytes(policy));
    }

    [Fact]
    public void The_order_of_minibatches_changes_with_the_seed_and_nothing_else_does()
    {
        byte[] Trained(ulong seed)
        {
            using var policy = Support.TinyPolicy();
            using var reference = Support.TinyPolicy(3);
            using var value = Support.TinyValue();
            using var learner = new PolicyLearner(policy, value, s_options, seed, "unused");
            learner.Update(Support.Trajectories(8, policy, reference, 11));
            return Support.Bytes(policy);
        }
        Assert.Equal(Trained(1), Trained(1));
        Assert.NotEqual(Trained(1), Trained(2));
    }

    [Fact]
    public void Bfloat16_products_learn_nearly_the_same_and_keep_float32_weights()
    {
        (byte[] Weights, IReadOnlyDictionary<string, double> Metrics) Trained(bool bf16)
        {
            using var policy = Support.TinyPolicy();
            using var reference = Support.TinyPolicy(3);
            using var value = Support.TinyValue();
            using var learner = new PolicyLearner(
                policy,
                value,
                s_options with
                {
                    Bf16 = bf16,
                    Epochs = 1,
                    MinibatchSize = 8,
                },
                1,
                "unused"
            );
            var metrics = learner.Update(Support.Trajectories(8, policy, reference, 11)).Metrics;
            Assert.All(policy.parameters(), p => Assert.Equal(ScalarType.Float32, p.dtype));
            return (Support.Bytes(policy), metrics);
        }
        var (full, half) = (Trained(false), Trained(true));
        Assert.NotEqual(full.Weights, half.Weights);
        Assert.Equal(full.Metrics["policy/loss"], half.Metrics["policy/loss"], 0.02);
        Assert.Equal(full.Metrics["grad/norm"], half.Metrics["grad/norm"], 0.1 * full.Metrics["grad/norm"]);
    }

    [Fact]
    public void Two_value_heads_value_the_two_kinds_of_samples_apart()
    {
        using var scope = NewDisposeScope();
        var value = Support.TinyValue(heads: 2);
        var ids = Arithmetic.Range(6).view(2, 3);
        var (first, second, mixed) = (
            value.Values(ids),
            value.Values(ids, ones(2, ScalarType.Int64)),
            value.Values(ids, tensor(new long[] { 0, 1 }))
        );
        static float[] Row(Tensor values, int row) => values[row].data<float>().ToArray();
        Assert.NotEqual(Row(first, 0), Row(second, 0));
        Assert.Equal(Row(first, 0), Row(mixed, 0));
        Assert.Equal(Row(second, 1), Row(mixed, 1));
        Assert.True(new ValueModel(Support.TinyPolicy(), 2).Values(ids).count_nonzero().ToInteger() == 0);
    }

    [Fact]
    public void Spans_of_advantages_and_epochs_carry_the_iteration()
    {
        var spans = new List<(string Name, object? Iteration)>();
        using var root = new Activity("test").Start();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == DfpoTelemetry.Name,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = activity =>
            {
                if (activity.TraceId == root.TraceId)
                    spans.Add((activity.OperationName, activity.GetTagItem(DfpoTelemetry.Tags.Iteration)));
            },
        };
        ActivitySource.AddActivityListener(listener);
        using var policy = Support.TinyPolicy();
        using var value = Support.TinyValue();
        using var learner = new PolicyLearner(policy, value, s_options with { Epochs = 2 }, 1, "unused");
        learner.Update(Support.Trajectories(4, policy, policy, 11));
        Assert.Equal([(DfpoTelemetry.Spans.Advantages, (object?)1), (DfpoTelemetry.Spans.Epoch, 1), (DfpoTelemetry.Spans.Epoch, 1)], spans);
    }
}
