using DfPO.Learner.Advantages;
using DfPO.Learner.Configuration;
using DfPO.Learner.Objectives;
using DfPO.Learner.Updates;
using DfPO.Models;
using DfPO.Models.Policies;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Tests;

public sealed class ImportanceWeightsTests
{
    private static readonly LearnerOptions s_options = new()
    {
        LearningRate = 1e-3,
        Epochs = 1,
        MinibatchSize = 8,
        MaxGradNorm = 1e9,
        MaxKl = 100,
    };

    [Theory]
    [InlineData(1e9)]
    [InlineData(1.5)]
    [InlineData(0.7)]
    public void Weighted_samples_of_the_rollouts_policy_stand_for_the_learners_as_far_as_truncation_allows(double truncation)
    {
        // Five actions, enumerated: E_rollout[w f] = sum_a min(pi_learner, c pi_rollout) f.
        double[] learner = [0.5, 0.2, 0.15, 0.1, 0.05],
            rollout = [0.1, 0.3, 0.15, 0.4, 0.05],
            f = [1, -2, 3, 0.5, 7];
        var statistics = new Statistics();
        static float[] Logs(double[] of) => [.. of.Select(p => (float)Math.Log(p))];
        var weights = ImportanceWeights.Truncated([Logs(learner)], [Logs(rollout)], RolloutCorrection.Token, truncation, statistics)[0];
        var expected = Enumerable.Range(0, 5).Sum(a => Math.Min(learner[a], truncation * rollout[a]) * f[a]);
        Assert.Equal(expected, Enumerable.Range(0, 5).Sum(a => rollout[a] * weights[a] * f[a]), 1e-5);
        double[] ratios = [.. learner.Zip(rollout, (p, q) => p / q)];
        var mean = ratios.Average();
        Assert.Equal(mean, statistics.Means()["rollout_is/mean"], 1e-6);
        Assert.Equal(Math.Sqrt(ratios.Average(r => (r - mean) * (r - mean))), statistics.Means()["rollout_is/std"], 1e-6);
        Assert.Equal(ratios.Max(), statistics.Means()["rollout_is/max"], 1e-6);
        // Two actions have equal probabilities: their ratio is one but for rounding, so no bound here is one.
        Assert.Equal(
            Enumerable.Range(0, 5).Count(a => learner[a] / rollout[a] > truncation) / 5.0,
            statistics.Means()["rollout_is/truncated_fraction"]
        );
    }

    [Fact]
    public void A_sequence_weighs_by_the_product_of_its_tokens_ratios()
    {
        var statistics = new Statistics();
        var weights = ImportanceWeights.Truncated(
            [
                [-1, -2],
                [-1],
            ],
            [
                [-1.25f, -2.5f],
                [-0.5f],
            ],
            RolloutCorrection.Sequence,
            2,
            statistics
        );
        Assert.Equal([2f, 2f, (float)Math.Exp(-0.5)], weights.SelectMany(w => w));
        Assert.Equal((Math.Exp(0.75) + Math.Exp(-0.5)) / 2, statistics.Means()["rollout_is/mean"], 1e-9);
        Assert.Equal(0.5, statistics.Means()["rollout_is/truncated_fraction"]);
    }

    [Fact]
    public void Figures_stay_numbers_however_far_the_policies_are_apart()
    {
        var statistics = new Statistics();
        Assert.Equal(
            [2f, 0f],
            ImportanceWeights
                .Truncated(
                    [
                        [-1, -2000],
                    ],
                    [
                        [-2000, -1],
                    ],
                    RolloutCorrection.Token,
                    2,
                    statistics
                )[0]
                .Select(w => MathF.Round(w, 6))
        );
        Assert.All(statistics.Means().Values, figure => Assert.True(double.IsFinite(figure)));
    }

    [Fact]
    public void A_version_changes_no_bit_where_the_log_probabilities_are_the_learners()
    {
        byte[] Trained(Func<Trajectory, int, Trajectory> stamp)
        {
            using var policy = Support.TinyPolicy();
            using var reference = Support.TinyPolicy(3);
            using var value = Support.TinyValue();
            using var learner = new PolicyLearner(policy, value, s_options, 1, "unused");
            for (var i = 0; i < 3; i++)
            {
                var metrics = learner
                    .Update([.. Support.Trajectories(8, policy, reference, (ulong)(30 + i)).Select(t => stamp(t, i))])
                    .Metrics;
                Assert.DoesNotContain(metrics.Keys, name => name.StartsWith("async/"));
                Assert.Equal(1, metrics["rollout_is/mean"], 1e-4);
                Assert.InRange(metrics["rollout_is/max"], 1 - 1e-4, 1 + 1e-4);
            }
            return [.. Support.Bytes(policy), .. Support.Bytes(value)];
        }
        Assert.Equal(Trained((t, _) => t), Trained((t, i) => t with { WeightsVersion = i }));
    }

    [Theory]
    [InlineData(ObjectiveKind.Ppo, true)]
    [InlineData(ObjectiveKind.Ppo, false)]
    [InlineData(ObjectiveKind.A2c, true)]
    public void Rollouts_of_other_log_probabilities_are_weighed_and_their_ratio_starts_at_one(ObjectiveKind kind, bool corrects)
    {
        using var scope = NewDisposeScope();
        var (policy, older, reference) = (Support.TinyPolicy(1), Support.TinyPolicy(6), Support.TinyPolicy(3));
        // Half of the batch was rolled out by older weights; the learner stands at iteration 1.
        var fresh = Support.Trajectories(4, policy, reference, 5).Select(t => t with { WeightsVersion = 1 });
        var stale = Support.Trajectories(4, older, reference, 6).Select(t => t with { WeightsVersion = 0 });
        Trajectory[] batch = [.. fresh, .. stale];
        var options = s_options with
        {
            Objective = kind,
            RolloutCorrection = corrects ? RolloutCorrection.Token : RolloutCorrection.None,
            ValueWarmupIterations = 1,
            ValueLearningRate = 1e-30,
            Ppo = new PpoOptions { NormalizeAdvantages = false, KlCoefficient = 0 },
            A2c = new A2cOptions
            {
                Lambda = 0.95,
                KlCoefficient = 0,
                TargetKl = 0,
            },
        };
        using var learner = new PolicyLearner(policy, Support.TinyValue(), options, 1, "unused");
        Assert.DoesNotContain(learner.Update(batch).Metrics.Keys, name => name.StartsWith("rollout_is/"));
        var metrics = learner.Update(batch).Metrics;

        var (losses, ratios) = (new List<double>(), new List<double>());
        var (naive, value) = (Support.TinyPolicy(1), Support.TinyValue());
        foreach (var t in batch)
        {
            long[] ids = [.. t.PromptTokens.Concat(t.Tokens).Select(x => (long)x)];
            var v = value.Values(tensor(ids).unsqueeze(0))[0].narrow(0, t.PromptTokens.Length - 1, t.Tokens.Length).data<float>().ToArray();
            var own = Support
                .NaiveLogprobs(naive, t.PromptTokens, t.Tokens)
                .gather(1, tensor(t.Tokens.Select(x => (long)x).ToArray()).unsqueeze(1))
                .squeeze(1)
                .data<float>()
                .ToArray();
            for (var i = 0; i < t.Tokens.Length; i++)
            {
                var n = t.Tokens.Length;
                var a = Enumerable
                    .Range(i, n - i)
                    .Sum(j => Math.Pow(0.99 * 0.95, j - i) * ((j == n - 1 ? t.Reward : 0) + (j + 1 < n ? 0.99 * v[j + 1] : 0) - v[j]));
                ratios.Add(Math.Exp(own[i] - t.Logprobs[i]));
                losses.Add(-(corrects ? Math.Min(2, ratios[^1]) : 1) * a * (kind == ObjectiveKind.A2c ? own[i] : 1));
            }
        }
        Assert.Equal(losses.Average(), metrics["policy/loss"], 1e-4);
        if (kind == ObjectiveKind.Ppo)
            Assert.Equal(1, metrics["policy/ratio"], 1e-4);
        if (kind == ObjectiveKind.Ppo)
            Assert.Equal(0.5, metrics["async/stale_fraction"]);
        Assert.Equal(corrects, metrics.ContainsKey("rollout_is/mean"));
        if (!corrects)
            return;
        Assert.Equal(ratios.Average(), metrics["rollout_is/mean"], 1e-4);
        Assert.Equal(ratios.Max(), metrics["rollout_is/max"], 1e-3 * ratios.Max());
        Assert.Equal(ratios.Count(r => r > 2) / (double)ratios.Count, metrics["rollout_is/truncated_fraction"], 1e-12);
        Assert.InRange(metrics["rollout_is/truncated_fraction"], 0.01, 0.99);
    }

    [Theory]
    [InlineData(DfpoMaskRule.Sign)]
    [InlineData(DfpoMaskRule.KlCentred)]
    [InlineData(DfpoMaskRule.Scaled)]
    public void Older_samples_of_masked_policies_are_weighed_by_what_both_masks_retain(DfpoMaskRule rule)
    {
        using var scope = NewDisposeScope();
        const float Tolerance = 0.3f,
            Then = 0.6f;
        var (policy, older, reference) = (Support.TinyPolicy(1), Support.TinyPolicy(6), Support.TinyPolicy(3));
        var options = s_options with
        {
            ValueWarmupIterations = 1,
            Dfpo = new DfpoOptions
            {
                Behaviour = DfpoBehaviour.Masked,
                MaskAt = DfpoMaskAt.Rollout,
                MaskRule = rule,
                Tolerance = Tolerance,
            },
        };
        // As the second update begins, the policy is the initial one. The first four are its own samples, whose masks are the same on both
        // sides.
        Trajectory[] Samples(CausalLM by, ulong seed, int version) =>
            [
                .. Support
                    .Trajectories(4, by, reference, seed, i => i % 2 == 0 ? DecodingPolicy.Positive : DecodingPolicy.Negative)
                    .Select(t => t with { WeightsVersion = version, RetainedMass = [.. t.Tokens.Select(_ => Then)] }),
            ];
        Trajectory[] batch = [.. Samples(policy, 5, 1), .. Samples(older, 8, 0)];
        using var learner = new PolicyLearner(policy, Support.TinyValue(), options, 1, "unused", reference: reference);
        learner.Update(batch);
        var metrics = learner.Update(batch).Metrics;

        var ratios = new List<double>();
        using var _ = no_grad();
        foreach (var t in batch)
        {
            var (ours, theirs) = (
                Support.NaiveLogprobs(Support.TinyPolicy(1), t.PromptTokens, t.Tokens).to(ScalarType.Float64),
                Support.NaiveLogprobs(reference, t.PromptTokens, t.Tokens).to(ScalarType.Float64)
            );
            for (var i = 0; i < t.Tokens.Length; i++)
            {
                var (p, q) = (ours[i].data<double>().ToArray(), theirs[i].data<double>().ToArray());
                double[] l = [.. p.Zip(q, (x, y) => x - y)];
                var kl = p.Zip(l, (x, y) => Math.Exp(x) * y).Sum();
                var limit =
                    rule == DfpoMaskRule.Scaled
                        ? Tolerance * Math.Sqrt(p.Zip(l, (x, y) => Math.Exp(x) * (y - kl) * (y - kl)).Sum())
                        : Tolerance;
                var centre = rule == DfpoMaskRule.KlCentred ? kl : 0;
                bool Keeps(int a) => t.Behaviour == DecodingPolicy.Positive ? l[a] <= centre + limit : l[a] >= centre - limit;
                var now = Enumerable.Range(0, p.Length).Where(Keeps).Sum(a => Math.Exp(p[a]));
                var own = Math.Exp(p[t.Tokens[i]] - t.Logprobs[i]);
                ratios.Add(
                    t.WeightsVersion == 1 ? own
                    : Keeps(t.Tokens[i]) ? own / now * Then
                    : 0
                );
            }
        }
        Assert.Equal(ratios.Average(), metrics["rollout_is/mean"], 1e-3);
        Assert.Equal(ratios.Max(), metrics["rollout_is/max"], 1e-3 * ratios.Max());
        Assert.Contains(0, ratios);
        using var grad = enable_grad();
        Assert.Equal(
            "learner/model",
            Assert
                .Throws<DfpoException>(() =>
                {
                    using var without = new PolicyLearner(
                        policy,
                        Support.TinyValue(),
                        options with
                        {
                            ValueWarmupIterations = 0,
                        },
                        1,
                        "unused"
                    );
                    without.Update([.. batch.Select(t => t with { WeightsVersion = -1 })]);
                })
                .Code
        );
    }

    [Fact]
    public void Every_rule_learns_from_stale_trajectories()
    {
        foreach (var kind in Enum.GetValues<ObjectiveKind>().Where(kind => kind != ObjectiveKind.Trpo))
        {
            var options = Objectives.EveryObjective.Options with { Objective = kind };
            var (policy, older) = (Support.TinyPolicy(1), Support.TinyPolicy(6));
            using var learner = Objectives.EveryObjective.Learner(options, policy, Support.TinyValue(), Support.TinyPolicy(9), "unused");
            Trajectory[] Batch() =>
                [.. Objectives.EveryObjective.Batch(options, older, Support.TinyPolicy(3), 4).Select(t => t with { WeightsVersion = 0 })];
            learner.Update(Batch());
            Assert.All(learner.Update(Batch()).Metrics.Values, value => Assert.True(double.IsFinite(value)));
        }
    }
}
