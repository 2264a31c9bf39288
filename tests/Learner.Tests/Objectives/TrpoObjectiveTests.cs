using DfPO.Learner.Configuration;
using DfPO.Learner.Objectives;
using DfPO.Learner.Optimisation;
using DfPO.Learner.Passes;
using DfPO.Learner.Updates;
using DfPO.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Tests.Objectives;

public sealed class TrpoObjectiveTests
{
    private static readonly LearnerOptions s_options = new()
    {
        Objective = ObjectiveKind.Trpo,
        MinibatchSize = 4,
        ValueLearningRate = 1e-3,
        MaxKl = 100,
    };

    [Fact]
    public void Conjugate_gradients_solve_a_positive_definite_system()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(2);
        var root = randn([12, 12], ScalarType.Float64, generator: generator);
        var (matrix, b) = (
            root.mm(root.t()).Plus(eye(12, dtype: ScalarType.Float64)),
            randn([12], ScalarType.Float64, generator: generator)
        );
        var x = ConjugateGradient.Solve(matrix.mv, b, iterations: 40, tolerance: 1e-24);
        Assert.InRange((linalg.solve(matrix, b) - x).abs().max().ToNumber(), 0, 1e-8);
        Assert.Equal(0, ConjugateGradient.Solve(matrix.mv, zeros_like(b), 40).abs().max().ToNumber());
    }

    [Fact]
    public void A_fisher_product_is_the_expected_outer_product_of_the_scores()
    {
        using var scope = NewDisposeScope();
        const int Vocabulary = 7;
        var (policy, reference) = (Support.TinyPolicy(1, Vocabulary, layers: 1), Support.TinyPolicy(3, Vocabulary, layers: 1));
        var batch = Support.Trajectories(3, policy, reference, 5);
        using var generator = new Generator(2);
        var vector = randn([policy.parameters().Sum(p => p.numel())], generator: generator);
        // F v = E_s sum_a pi(a|s) g (g . v) with g = d log pi(a|s).
        var expected = zeros_like(vector);
        var states = batch.Sum(t => t.Tokens.Length);
        foreach (var t in batch)
            for (var i = 0; i < t.Tokens.Length; i++)
                for (var a = 0; a < Vocabulary; a++)
                {
                    using var inner = NewDisposeScope();
                    var log = Support.NaiveLogprobs(policy, t.PromptTokens, t.Tokens)[i, a];
                    log.backward();
                    var score = FisherProduct.Flat(policy.parameters().Select(p => p.grad ?? zeros_like(p)));
                    foreach (var parameter in policy.parameters())
                        parameter.grad = null;
                    expected.Increase(score * score.dot(vector) * log.exp().detach(), 1.0 / states);
                }
        foreach (var pieceSize in new[] { 3, 1 })
        {
            var got = new FisherProduct(new PolicyPass(policy, pieceSize, 0, null), batch).Times(vector);
            Assert.InRange((expected - got).norm().ToNumber() / expected.norm().ToNumber(), 0, 1e-4);
        }
    }

    [Fact]
    public void A_step_stays_in_the_region_improves_the_surrogate_and_goes_along_the_natural_gradient()
    {
        using var scope = NewDisposeScope();
        var (policy, before, reference) = (Support.TinyPolicy(1), Support.TinyPolicy(1), Support.TinyPolicy(3));
        var batch = Support.Trajectories(8, policy, reference, 5);
        var options = s_options with
        {
            Trpo = new TrpoOptions { MaxStepKl = 0.02, ConjugateGradientIterations = 40 },
        };
        using var learner = new PolicyLearner(policy, Support.TinyValue(), options, 1, "unused");
        var metrics = learner.Update(batch).Metrics;
        using var _ = no_grad();
        var kl = batch
            .SelectMany(t =>
            {
                var (old, now) = (
                    Support.NaiveLogprobs(before, t.PromptTokens, t.Tokens),
                    Support.NaiveLogprobs(policy, t.PromptTokens, t.Tokens)
                );
                return (old.exp() * (old - now)).sum(1).data<float>().ToArray();
            })
            .Average(x => (double)x);
        Assert.InRange(kl, 0.002, 0.02);
        Assert.Equal(kl, metrics["trpo/step_kl"], 1e-5);
        Assert.True(metrics["trpo/improvement"] > 0);
        Assert.InRange(metrics["trpo/step_size"], 0.1, 1);

        // (F + damping) x is the gradient again, up to the step's length.
        var step = FisherProduct.Flat(policy.parameters()) - FisherProduct.Flat(before.parameters());
        var image = new FisherProduct(new PolicyPass(before, 8, 0, null), batch).Times(step).Plus(step.Times(0.1));
        var gradient = SurrogateGradient(before, batch);
        Assert.True(image.dot(gradient).ToNumber() / (image.norm() * gradient.norm()).ToNumber() > 0.999);
        Assert.True(step.dot(gradient).ToNumber() / (step.norm() * gradient.norm()).ToNumber() < 0.99);
    }

    [Fact]
    public void A_step_too_long_for_the_surrogate_is_shortened_or_given_up()
    {
        using var scope = NewDisposeScope();
        var reference = Support.TinyPolicy(3);
        var batch = Support
            .Trajectories(8, Support.TinyPolicy(1), reference, 5)
            .Select(t => new ScoredTrajectory(t, new float[t.Tokens.Length], new float[t.Tokens.Length]))
            .ToArray();
        (double Share, double Moved, byte[] Weights) Step(int tries, Func<double, Tensor, Tensor> loss)
        {
            var policy = Support.TinyPolicy(1);
            var surrogate = new MeanSurrogate(loss);
            var statistics = new Statistics();
            new TrustRegionStep(new PolicyPass(policy, 8, 0, null), new TrpoOptions { LineSearchSteps = tries }).Take(
                surrogate,
                batch,
                statistics
            );
            return (statistics.Means()["trpo/step_size"], surrogate.Last - surrogate.First, Support.Bytes(policy));
        }
        // The mean log-probability itself: the full step is taken, and tells how far it goes.
        var full = Step(10, (_, mean) => mean.neg());
        Assert.Equal(1, full.Share);
        // The same slope at the start, but a turning point before the end: only steps under 0.6 improve.
        Func<double, Tensor, Tensor> Turning(double at) => (first, mean) => mean.Plus(-first - at).Squared().Over(2 * at);
        Assert.Equal(0.512, Step(10, Turning(0.3 * full.Moved)).Share, 1e-9);
        var given = Step(3, Turning(0.3 * full.Moved));
        Assert.Equal(0, given.Share);
        Assert.Equal(Support.Bytes(Support.TinyPolicy(1)), given.Weights);
    }

    /// <summary>A surrogate that is a function of the mean log-probability.</summary>
    private sealed class MeanSurrogate(Func<double, Tensor, Tensor> loss) : IObjective
    {
        public ObjectiveTraits Traits { get; } = new();

        public double First { get; private set; } = double.NaN;

        public double Last { get; private set; }

        public Tensor Loss(Tensor logprobs, TokenBatch batch, Statistics statistics)
        {
            var mean = logprobs.mean();
            Last = mean.ToNumber();
            if (double.IsNaN(First))
                First = Last;
            return loss(First, mean);
        }
    }

    [Theory]
    [InlineData(10, 0.8)]
    [InlineData(1, 0)]
    public void A_step_that_leaves_the_region_is_shortened_or_given_up(int tries, double share)
    {
        using var scope = NewDisposeScope();
        var (policy, before) = (Support.TinyPolicy(1), Support.TinyPolicy(1));
        var batch = Support
            .Trajectories(8, policy, Support.TinyPolicy(3), 5)
            .Select(t => new ScoredTrajectory(t, new float[t.Tokens.Length], new float[t.Tokens.Length]))
            .ToArray();
        var statistics = new Statistics();
        // Here the KL of the full step is a little more than its quadratic model says.
        var options = new TrpoOptions
        {
            MaxStepKl = 0.1,
            Damping = 1e-4,
            LineSearchSteps = tries,
        };
        new TrustRegionStep(new PolicyPass(policy, 8, 0, null), options).Take(
            new MeanSurrogate((_, mean) => mean.Times(1)),
            batch,
            statistics
        );
        Assert.Equal(share, statistics.Means()["trpo/step_size"], 1e-9);
        using var _ = no_grad();
        Assert.InRange(
            batch
                .SelectMany(s =>
                {
                    var (old, now) = (
                        Support.NaiveLogprobs(before, s.Trajectory.PromptTokens, s.Trajectory.Tokens),
                        Support.NaiveLogprobs(policy, s.Trajectory.PromptTokens, s.Trajectory.Tokens)
                    );
                    return (old.exp() * (old - now)).sum(1).data<float>().ToArray();
                })
                .Average(x => (double)x),
            share == 0 ? 0 : 0.05,
            share == 0 ? 0 : 0.1
        );
    }

    [Fact]
    public void Without_anything_to_gain_the_policy_stays_bit_for_bit_and_the_value_learns()
    {
        var (policy, value, reference) = (Support.TinyPolicy(1), Support.TinyValue(), Support.TinyPolicy(3));
        var batch = Support.Trajectories(8, policy, reference, 5).Select(t => t with { Reward = 0 }).ToArray();
        using var learner = new PolicyLearner(
            policy,
            new ValueModel(Support.TinyPolicy(2)),
            s_options with
            {
                Trpo = new TrpoOptions { KlCoefficient = 0 },
            },
            1,
            "unused"
        );
        var initial = Support.Bytes(policy);
        // Values start at zero and every reward is zero: no advantage, no direction.
        Assert.Equal(0, learner.Update(batch).Metrics["trpo/step_size"]);
        Assert.Equal(initial, Support.Bytes(policy));

        using var second = new PolicyLearner(policy, value, s_options with { ValueWarmupIterations = 1 }, 1, "unused");
        var valueBefore = Support.Bytes(value);
        second.Update([.. batch.Select(t => t with { Reward = 1 })]);
        Assert.Equal(initial, Support.Bytes(policy));
        Assert.NotEqual(valueBefore, Support.Bytes(value));
    }

    [Fact]
    public async Task Its_attention_is_its_own_model_s_and_no_other_model_s_bits_change_beside_it()
    {
        var (policy, other) = (Support.TinyPolicy(1), Support.TinyPolicy(2));
        var sequences = Support.Trajectories(6, policy, Support.TinyPolicy(3), 5);
        using var generator = new Generator(2);
        using var vector = randn([policy.parameters().Sum(p => p.numel())], generator: generator);
        float[] Logits()
        {
            using var _ = no_grad();
            using var inner = NewDisposeScope();
            return other.Logits(Arithmetic.Range(24).unsqueeze(0)).data<float>().ToArray();
        }
        var quiet = Logits();
        other.Precision.PlainAttention = true;
        Assert.NotEqual(quiet, Logits());
        other.Precision.PlainAttention = false;

        var switched = false;
        var products = Task.Run(
            () =>
            {
                using var inner = NewDisposeScope();
                for (var i = 0; i < 5; i++)
                    new FisherProduct(new PolicyPass(policy, 8, 0, null), sequences).Times(vector);
            },
            TestContext.Current.CancellationToken
        );
        do
        {
            Assert.Equal(quiet, Logits());
            switched |= !backends.cuda.flash_sdp_enabled();
        } while (!products.IsCompleted);
        await products;
        Assert.False(switched);
        Assert.False(policy.Precision.PlainAttention);
    }

    /// <summary>Ascent direction of the surrogate: the advantages come from values and rewards written out.</summary>
    private static Tensor SurrogateGradient(CausalLM policy, Trajectory[] batch)
    {
        using var grad = enable_grad();
        var value = Support.TinyValue();
        var (logs, advantages) = (new List<Tensor>(), new List<double>());
        foreach (var t in batch)
        {
            long[] ids = [.. t.PromptTokens.Concat(t.Tokens).Select(x => (long)x)];
            var v = value.Values(tensor(ids).unsqueeze(0))[0].narrow(0, t.PromptTokens.Length - 1, t.Tokens.Length).data<float>().ToArray();
            var rewards = t
                .Tokens.Select(
                    (_, i) => -0.1 * ((double)t.Logprobs[i] - t.ReferenceLogprobs[i]) + (i == t.Tokens.Length - 1 ? t.Reward : 0)
                )
                .ToArray();
            logs.Add(
                Support
                    .NaiveLogprobs(policy, t.PromptTokens, t.Tokens)
                    .gather(1, tensor(t.Tokens.Select(x => (long)x).ToArray()).unsqueeze(1))
                    .squeeze(1)
            );
            for (var i = 0; i < t.Tokens.Length; i++)
                advantages.Add(
                    Enumerable
                        .Range(i, t.Tokens.Length - i)
                        .Sum(j => Math.Pow(0.99 * 0.95, j - i) * (rewards[j] + (j + 1 < t.Tokens.Length ? 0.99 * v[j + 1] : 0) - v[j]))
                );
        }
        var mean = advantages.Average();
        (cat(logs) * tensor(advantages.Select(a => (float)(a - mean)).ToArray())).mean().backward();
        return FisherProduct.Flat(policy.parameters().Select(p => p.grad ?? zeros_like(p)));
    }
}
