using DfPO.Learner.Objectives;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Tests;

public sealed class PpoObjectiveTests
{
    // The batch's arrays are float32, the fixture float64.
    private const double Tolerance = 1e-6;

    [Fact]
    [Trait("Category", "Fixtures")]
    public void Loss_gradient_ratio_and_clip_fraction_are_the_fixtures()
    {
        foreach (var (_, expected) in Support.Fixtures("ppo_policy"))
        {
            var c = expected.GetProperty("ppo_policy");
            double[] Field(string name) => c.GetProperty(name).Masked(c.GetProperty("mask"));
            using var scope = NewDisposeScope();
            var logprobs = tensor(Field("logprobs"), requires_grad: true);
            var statistics = new Statistics();
            var objective = new PpoObjective(new PpoOptions { NormalizeAdvantages = false }, c.GetProperty("clip").GetDouble());
            var loss = objective.Loss(
                logprobs,
                Support.Tokens(Field("old_logprobs").Floats(), new float[Field("mask").Length], Field("advantages").Floats()),
                statistics
            );
            loss.backward();
            Assert.Equal(c.GetProperty("loss_mask_mean").GetDouble(), loss.ToNumber(), Tolerance);
            Support.Close(Field("grad_wrt_logprobs_mask_mean"), logprobs.grad!.data<double>().ToArray(), Tolerance);
            Assert.Equal(c.GetProperty("clip_fraction_abs_ratio").GetDouble(), statistics.Means()["policy/clip_fraction"], 1e-12);
            Assert.Equal(Field("ratio").Average(), statistics.Means()["policy/ratio"], Tolerance);
        }
    }

    [Fact]
    [Trait("Category", "Fixtures")]
    public void Value_loss_and_explained_variance_are_the_fixtures()
    {
        foreach (var (_, expected) in Support.Fixtures("ppo_value"))
        {
            var c = expected.GetProperty("ppo_value");
            double[] Field(string name) => c.GetProperty(name).Masked(c.GetProperty("mask"));
            using var scope = NewDisposeScope();
            var values = tensor(Field("values"), requires_grad: true);
            var loss = ValueLoss.MeanSquaredError(values, Field("returns"));
            loss.backward();
            Assert.Equal(c.GetProperty("loss_unclipped_mse_mask_mean").GetDouble(), loss.ToNumber(), Tolerance);
            Support.Close(
                [.. Field("values").Zip(Field("returns"), (v, r) => 2 * (v - r) / Field("values").Length)],
                values.grad!.data<double>().ToArray(),
                Tolerance
            );
            Assert.Equal(
                c.GetProperty("explained_variance_masked").GetDouble(),
                ValueLoss.ExplainedVariance(Field("values"), Field("returns")),
                1e-12
            );
        }
    }

    [Fact]
    [Trait("Category", "Fixtures")]
    public void Kl_estimates_are_the_fixtures()
    {
        foreach (var (_, expected) in Support.Fixtures("kl_estimators"))
        {
            var c = expected.GetProperty("kl_estimators");
            double[] Field(string name) => c.GetProperty(name).Masked(c.GetProperty("mask"));
            var logRatios = Field("logprobs").Zip(Field("ref_logprobs"), (p, q) => p - q).ToArray();
            Support.Close(Field("k1"), logRatios, 1e-12);
            Support.Close(Field("k3"), [.. logRatios.Select(d => KlEstimators.K3([d]))], 1e-12);
            Assert.Equal(c.GetProperty("mean_k1").GetDouble(), KlEstimators.K1(logRatios), 1e-12);
            Assert.Equal(c.GetProperty("mean_k3").GetDouble(), KlEstimators.K3(logRatios), 1e-12);
        }
    }

    [Fact]
    [Trait("Category", "Fixtures")]
    public void The_policys_approximate_kl_is_the_fixtures()
    {
        foreach (var (_, expected) in Support.Fixtures("kl_estimators"))
        {
            var (c, policy) = (expected.GetProperty("kl_estimators"), expected.GetProperty("ppo_policy"));
            double[] Field(string name) => policy.GetProperty(name).Masked(policy.GetProperty("mask"));
            using var scope = NewDisposeScope();
            var statistics = new Statistics();
            ClippedSurrogate.Loss(tensor(Field("logprobs")), Field("old_logprobs"), Field("advantages"), 0.2, statistics);
            Assert.Equal(c.GetProperty("approx_kl_sb3_old_new").GetDouble(), statistics.Means()["policy/approx_kl"], Tolerance);
        }
    }

    [Fact]
    [Trait("Category", "Fixtures")]
    public void The_adaptive_coefficient_walks_as_the_fixtures_does()
    {
        foreach (var (_, expected) in Support.Fixtures("adaptive_kl"))
        {
            var c = expected.GetProperty("adaptive_kl");
            var rate = c.GetProperty("n_steps_each").GetDouble() / c.GetProperty("horizon").GetDouble();
            var coefficient = c.GetProperty("init").GetDouble();
            var walk = c.GetProperty("observed")
                .Doubles()
                .Select(kl => coefficient = AdaptiveKl.Next(coefficient, kl, c.GetProperty("target").GetDouble(), rate))
                .ToArray();
            Support.Close(c.GetProperty("coef_after").Doubles(), walk, 1e-12);
        }
    }

    [Fact]
    public void The_coefficient_moves_two_percent_an_iteration_at_most_and_stays_when_there_is_no_target()
    {
        var adaptive = new PpoObjective(new PpoOptions { KlCoefficient = 0.1, TargetKl = 0.1 }, 0.2);
        adaptive.EndIteration(5);
        Assert.Equal(0.102, adaptive.KlCoefficient, 1e-12);
        adaptive.EndIteration(-5);
        Assert.Equal(0.102 * 0.98, adaptive.KlCoefficient, 1e-12);
        var restored = new PpoObjective(new PpoOptions { KlCoefficient = 7, TargetKl = 0.1 }, 0.2);
        restored.Restore(adaptive.State);
        Assert.Equal(adaptive.KlCoefficient, restored.KlCoefficient);
        var constant = new PpoObjective(new PpoOptions { KlCoefficient = 0.1 }, 0.2);
        constant.EndIteration(5);
        Assert.Equal(0.1, constant.KlCoefficient);
    }

    [Fact]
    public void Grpos_coefficient_is_steered_by_the_same_controller_as_hard_as_its_rate_says()
    {
        var steered = new GrpoObjective(
            new GrpoOptions
            {
                KlCoefficient = 0.04,
                TargetKl = 0.2,
                TargetKlRate = 1,
            },
            0.2
        );
        steered.EndIteration(5);
        Assert.Equal(0.048, steered.State["grpo/kl_coefficient"], 1e-12);
        steered.EndIteration(0.18);
        Assert.Equal(0.048 * 0.9, steered.State["grpo/kl_coefficient"], 1e-12);
        var restored = new GrpoObjective(new GrpoOptions { TargetKl = 0.2 }, 0.2);
        restored.Restore(steered.State);
        Assert.Equal(steered.State["grpo/kl_coefficient"], restored.State["grpo/kl_coefficient"]);

        using var logprobs = TorchSharp.torch.tensor(new[] { -1.0 }, requires_grad: true);
        var batch = new TokenBatch
        {
            Advantages = [0],
            Logprobs = [-1.0],
            ReferenceLogprobs = [-2.0],
            StateKl = [0],
            Returns = [0],
            Behaviour = [Models.Policies.DecodingPolicy.Policy],
            Sequences = [new(0, 1, false)],
        };
        using var loss = steered.Loss(logprobs, batch, new Statistics());
        Assert.Equal(0.048 * 0.9 * (Math.Exp(-1) + 1 - 1), loss.item<double>(), 1e-9);

        var fixedCoefficient = new GrpoObjective(new GrpoOptions(), 0.2);
        fixedCoefficient.EndIteration(5);
        Assert.Empty(fixedCoefficient.State);
    }
}
