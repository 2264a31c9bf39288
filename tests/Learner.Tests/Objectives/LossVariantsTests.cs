using DfPO.Learner.Configuration;
using DfPO.Learner.Objectives;
using DfPO.Learner.Passes;
using DfPO.Learner.Updates;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Tests.Objectives;

/// <summary>Switches of the losses that are off by default, and figures that have other forms.</summary>
public sealed class LossVariantsTests
{
    private const double Tolerance = 1e-6;

    [Fact]
    [Trait("Category", "Fixtures")]
    public void The_dual_clipped_loss_is_the_fixtures()
    {
        foreach (var (_, expected) in Support.Fixtures("ppo_policy"))
        {
            using var scope = NewDisposeScope();
            var c = expected.GetProperty("ppo_policy");
            double[] Field(string name) => c.GetProperty(name).Masked(c.GetProperty("mask"));
            var ppo = new PpoObjective(new PpoOptions { NormalizeAdvantages = false, Delta = 3 }, c.GetProperty("clip").GetDouble());
            var batch = Support.Tokens(Field("old_logprobs").Floats(), new float[Field("mask").Length], Field("advantages").Floats());
            Assert.Equal(
                c.GetProperty("dual_clip_c3_loss_mask_mean").GetDouble(),
                ppo.Loss(tensor(Field("logprobs")), batch, new Statistics()).ToNumber(),
                Tolerance
            );
        }
    }

    [Fact]
    [Trait("Category", "Fixtures")]
    public void The_clipped_value_loss_is_twice_the_fixtures_which_halves()
    {
        foreach (var (_, expected) in Support.Fixtures("ppo_value"))
        {
            using var scope = NewDisposeScope();
            var c = expected.GetProperty("ppo_value");
            double[] Field(string name) => c.GetProperty(name).Masked(c.GetProperty("mask"));
            var values = tensor(Field("values"), requires_grad: true);
            var loss = ValueLoss.Clipped(values, Field("old_values"), Field("returns"), c.GetProperty("value_clip").GetDouble());
            loss.backward();
            Assert.Equal(2 * c.GetProperty("loss_clipped_half_max_mask_mean").GetDouble(), loss.ToNumber(), Tolerance);
            Support.Close(
                [.. Field("grad_wrt_values_clipped_half_max").Select(g => 2 * g)],
                values.grad!.data<double>().ToArray(),
                Tolerance
            );
        }
    }

    [Fact]
    [Trait("Category", "Fixtures")]
    public void Grpos_kl_term_has_the_fixtures_value_and_gradient_of_k3_and_k2_is_the_fixtures()
    {
        foreach (var (_, expected) in Support.Fixtures("kl_estimators"))
        {
            using var scope = NewDisposeScope();
            var c = expected.GetProperty("kl_estimators");
            double[] Field(string name) => c.GetProperty(name).Masked(c.GetProperty("mask"));
            var logprobs = tensor(Field("logprobs"), requires_grad: true);
            var batch = Support.Tokens(Field("logprobs").Floats(), Field("ref_logprobs").Floats(), new float[Field("mask").Length]) with
            {
                Sequences = [new(0, Field("mask").Length, false)],
            };
            var loss = new GrpoObjective(new GrpoOptions { KlCoefficient = 1, LossType = GrpoLossType.Bnpo }, 0.2).Loss(
                logprobs,
                batch,
                new Statistics()
            );
            loss.backward();
            Assert.Equal(c.GetProperty("mean_k3").GetDouble(), loss.ToNumber(), Tolerance);
            Support.Close(Field("grad_k3"), logprobs.grad!.data<double>().ToArray(), Tolerance);
            Assert.Equal(
                c.GetProperty("mean_k2").GetDouble(),
                KlEstimators.K2(Field("logprobs").Zip(Field("ref_logprobs"), (p, q) => p - q)),
                1e-12
            );
        }
    }

    [Fact]
    [Trait("Category", "Fixtures")]
    public void The_entropys_gradient_is_the_fixtures()
    {
        foreach (var (_, expected) in Support.Fixtures("full_kl_entropy"))
        {
            using var scope = NewDisposeScope();
            var c = expected.GetProperty("full_kl_entropy");
            var logits = c.GetProperty("logits_p").Matrix();
            var leaf = tensor(logits.SelectMany(row => row).ToArray(), [logits.Length, logits[0].Length], requires_grad: true);
            var got = TokenLogprobs.FromLogits(leaf.Times(1), zeros(logits.Length, ScalarType.Int64), withEntropy: true);
            got.Backward(zeros_like(got.Values), entropyGradient: 1);
            Support.Close(
                c.GetProperty("grad_sum_entropy_wrt_logits_p").Matrix().SelectMany(row => row).ToArray(),
                leaf.grad!.data<double>().ToArray(),
                1e-10
            );
        }
    }

    [Fact]
    public void Impossible_tokens_neither_count_in_the_softmax_nor_in_its_entropy_nor_get_a_gradient()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(4);
        var start = randn([6, 9], ScalarType.Float64, generator: generator);
        var keep = rand([6, 9], generator: generator).Above(0.4);
        var tokens = Arithmetic.Range(6);
        keep.scatter_(1, tokens.unsqueeze(1), ones([6, 1], ScalarType.Bool));
        var weights = randn([6], ScalarType.Float64, generator: generator);

        var theirs = start.clone().requires_grad_();
        var log = nn.functional.log_softmax(theirs.Filled(keep.logical_not(), -1e30), 1);
        var entropy = (log.exp() * log).sum().neg();
        entropy.Times(0.7).Plus((log.gather(1, tokens.unsqueeze(1)).squeeze(1) * weights).sum()).backward();

        var ours = start.clone().requires_grad_();
        var got = TokenLogprobs.FromLogits(ours.Times(1), tokens, withEntropy: true, keep);
        Assert.Equal(entropy.ToNumber(), got.SummedEntropy!.Value, 1e-10);
        got.Backward(weights, entropyGradient: 0.7);
        Assert.InRange((theirs.grad! - ours.grad!).abs().max().ToNumber(), 0, 1e-10);
        Assert.Equal(0, ours.grad!.Filled(keep, 0).abs().max().ToNumber());
    }

    [Fact]
    public void An_entropy_bonus_keeps_the_policy_more_random()
    {
        double Entropy(double coefficient)
        {
            using var policy = Support.TinyPolicy();
            using var reference = Support.TinyPolicy(3);
            var options = new LearnerOptions
            {
                Objective = ObjectiveKind.Ppo,
                LearningRate = 1e-3,
                Epochs = 4,
                MinibatchSize = 8,
                MaxKl = 100,
                EntropyCoefficient = coefficient,
            };
            using var learner = new PolicyLearner(policy, Support.TinyValue(), options, 1, "unused");
            var batch = Support.Trajectories(8, policy, reference, 11);
            learner.Update(batch);
            return learner.Update(batch).Metrics["objective/entropy"];
        }
        Assert.True(Entropy(1) > Entropy(0) + 0.01, $"{Entropy(1)} and {Entropy(0)}");
    }
}
