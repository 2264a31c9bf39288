using DfPO.Learner.Configuration;
using DfPO.Learner.Guards;
using DfPO.Learner.Objectives;
using DfPO.Learner.Updates;
using DfPO.Models;
using DfPO.Models.Policies;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Tests;

public sealed class PolicyLearnerGuardTests : IDisposable
{
    private static readonly LearnerOptions s_options = new()
    {
        LearningRate = 1e-3,
        Epochs = 1,
        MinibatchSize = 4,
        MaxKl = 100,
    };
    private readonly TestFolder _folder = new();
    private readonly CausalLM _policy = Support.TinyPolicy();
    private readonly ValueModel _value = Support.TinyValue();
    private readonly Trajectory[] _batch;

    public PolicyLearnerGuardTests()
    {
        using var reference = Support.TinyPolicy(3);
        _batch = Support.Trajectories(8, _policy, reference, 11);
    }

    public void Dispose()
    {
        _folder.Dispose();
        _policy.Dispose();
        _value.Dispose();
    }

    public static TheoryData<string> Breaks => ["reward", "logprob", "reference logprob", "state KL"];

    [Theory]
    [MemberData(nameof(Breaks))]
    public void A_number_of_the_rollout_that_is_not_finite_stops_before_any_step(string what)
    {
        var broken = _batch[3];
        _batch[3] = what switch
        {
            "reward" => broken with { Reward = float.NaN },
            "logprob" => broken with { Logprobs = [float.NegativeInfinity, .. broken.Logprobs[1..]] },
            "reference logprob" => broken with { ReferenceLogprobs = [float.NaN, .. broken.ReferenceLogprobs[1..]] },
            _ => broken with { StateKl = [float.PositiveInfinity, .. broken.StateKl[1..]] },
        };
        var incident = RequireIncident("learner/not-finite", s_options);
        Assert.Equal("rollout", incident.Place);
        Assert.Equal(8, incident.Trajectories.Count);
        Assert.Equal(_batch[3].Logprobs, incident.Trajectories[3].Logprobs);
        Assert.Equal(_batch[3].Reward, incident.Trajectories[3].Reward);
    }

    [Fact]
    public void A_policy_that_has_left_the_reference_stops_the_run()
    {
        var incident = RequireIncident("learner/kl-exploded", s_options with { MaxKl = 0.01 });
        Assert.Contains("max-kl", incident.Reason);
    }

    [Fact]
    public void A_loss_that_is_not_finite_touches_no_weight_and_names_the_minibatch()
    {
        // Each reward is a number, their sum is not in float32.
        for (var i = 0; i < _batch.Length; i++)
            _batch[i] = _batch[i] with { Reward = -3e38f };
        var incident = RequireIncident("learner/not-finite", s_options);
        Assert.Equal("epoch 1 minibatch 1", incident.Place);
        Assert.Equal(4, incident.Trajectories.Count);
        Assert.Contains("policy loss", incident.Reason);
    }

    [Fact]
    public void A_gradient_that_is_not_finite_touches_no_weight()
    {
        // Values of about 1e18: their squares are finite in float32, the squares of their gradient are not.
        using (no_grad())
            foreach (var (name, parameter) in _value.named_parameters())
                if (name == "v_head.weight")
                    parameter.Fill(1e17f);
        var incident = RequireIncident("learner/not-finite", s_options);
        Assert.Contains("gradient", incident.Reason);
    }

    [Fact]
    public void A_failed_step_leaves_no_gradient_behind()
    {
        A_gradient_that_is_not_finite_touches_no_weight();
        Assert.All(_policy.parameters().Concat(_value.parameters()), parameter => Assert.Null(parameter.grad));
    }

    public static TheoryData<string> BadBatches => ["count", "empty", "none", "logprobs", "reference", "kl", "prompt", "long", "behaviour"];

    [Theory]
    [MemberData(nameof(BadBatches))]
    public void A_batch_that_cannot_be_learnt_from_is_refused_before_anything_happens(string what)
    {
        var first = _batch[0];
        Trajectory[] batch = what switch
        {
            "count" => _batch[..6],
            "none" => [],
            "empty" => [first with { Tokens = [], Logprobs = [], ReferenceLogprobs = [], StateKl = [] }, .. _batch[1..]],
            "logprobs" => [first with { Logprobs = [.. first.Logprobs, 0] }, .. _batch[1..]],
            "reference" => [first with { ReferenceLogprobs = [] }, .. _batch[1..]],
            "kl" => [first with { StateKl = [] }, .. _batch[1..]],
            "prompt" => [first with { PromptTokens = [] }, .. _batch[1..]],
            "long" => [first with { PromptTokens = new int[60] }, .. _batch[1..]],
            _ => [first with { Behaviour = DecodingPolicy.Negative }, .. _batch[1..]],
        };
        using var learner = new PolicyLearner(_policy, _value, s_options, 1, _folder["incidents"]);
        Assert.Equal("learner/batch", Assert.Throws<DfpoException>(() => learner.Update(batch)).Code);
        Assert.False(Directory.Exists(_folder["incidents"]));
        Assert.Equal(0, learner.Iteration);
    }

    [Fact]
    public void Masked_behaviour_learns_from_masked_samples_alone_and_ppo_from_the_policy_alone()
    {
        var masked = new DfpoObjective(new DfpoOptions { Behaviour = DfpoBehaviour.Masked }, 0.2);
        Assert.True(
            masked.Accepts(DecodingPolicy.Positive) && masked.Accepts(DecodingPolicy.Negative) && !masked.Accepts(DecodingPolicy.Policy)
        );
        var ppo = new PpoObjective(new PpoOptions(), 0.2);
        Assert.True(ppo.Accepts(DecodingPolicy.Policy) && !ppo.Accepts(DecodingPolicy.Negative));
    }

    [Fact]
    public void Cancellation_stops_between_minibatches_and_the_precision_is_put_back()
    {
        using var learner = new PolicyLearner(_policy, _value, s_options with { Bf16 = true }, 1, _folder["incidents"]);
        using var source = new CancellationTokenSource();
        source.Cancel();
        Assert.ThrowsAny<OperationCanceledException>(() => learner.Update(_batch, source.Token));
        Assert.Null(_policy.Precision.MatmulDtype);
        learner.Update(_batch);
        Assert.Null(_policy.Precision.MatmulDtype);
        Assert.Null(_value.Precision.MatmulDtype);
    }

    public static TheoryData<string, LearnerOptions> BadOptions =>
        new()
        {
            { "learning-rate", s_options with { LearningRate = 0 } },
            { "value-learning-rate", s_options with { ValueLearningRate = -1 } },
            { "weight-decay", s_options with { WeightDecay = double.NaN } },
            { "gamma", s_options with { Gamma = 1.1 } },
            { "lambda", s_options with { Lambda = -0.1 } },
            { "clip-range", s_options with { ClipRange = 0 } },
            { "epochs", s_options with { Epochs = 0 } },
            { "minibatch-size", s_options with { MinibatchSize = 0 } },
            { "value-coefficient", s_options with { ValueCoefficient = -1 } },
            { "max-grad-norm", s_options with { MaxGradNorm = double.NaN } },
            { "value-warmup-iterations", s_options with { ValueWarmupIterations = -1 } },
            { "max-kl", s_options with { MaxKl = 0 } },
            { "dfpo.tolerance", s_options with { Dfpo = new DfpoOptions { Tolerance = -0.1f } } },
            { "dfpo.value", s_options with { Dfpo = new DfpoOptions { Value = DfpoValue.TwoHeaded } } },
            { "ppo.kl-coefficient", s_options with { Ppo = new PpoOptions { KlCoefficient = -1 } } },
            { "ppo.target-kl", s_options with { Ppo = new PpoOptions { TargetKl = -1 } } },
        };

    [Theory]
    [MemberData(nameof(BadOptions))]
    public void An_option_out_of_range_is_named(string field, LearnerOptions options)
    {
        var error = Assert.Throws<DfpoException>(() => new PolicyLearner(_policy, _value, options, 1, "unused"));
        Assert.Equal("learner/options", error.Code);
        Assert.Contains($"'{field}'", error.Message);
    }

    [Fact]
    public void A_two_headed_value_needs_a_model_with_two_heads_and_weights_must_be_float32()
    {
        var twoHeaded = s_options with
        {
            Dfpo = new DfpoOptions { Behaviour = DfpoBehaviour.Masked, Value = DfpoValue.TwoHeaded },
        };
        Assert.Equal("learner/model", Assert.Throws<DfpoException>(() => new PolicyLearner(_policy, _value, twoHeaded, 1, "unused")).Code);
        using var half = Support.TinyPolicy().to(ScalarType.BFloat16);
        Assert.Equal(
            "learner/model",
            Assert.Throws<DfpoException>(() => new PolicyLearner((CausalLM)half, _value, s_options, 1, "unused")).Code
        );
    }

    private Incident RequireIncident(string code, LearnerOptions options)
    {
        var before = (Support.Bytes(_policy), Support.Bytes(_value));
        using var learner = new PolicyLearner(_policy, _value, options, 1, _folder["incidents"]);
        var error = Assert.Throws<DfpoException>(() => learner.Update(_batch));
        Assert.Equal(code, error.Code);
        Assert.Equal(0, learner.Iteration);
        Assert.Equal(before.Item1, Support.Bytes(_policy));
        Assert.Equal(before.Item2, Support.Bytes(_value));
        var path = Assert.Single(Directory.GetFiles(_folder["incidents"]));
        Assert.Contains(path, error.Message);
        return Incident.Read(path);
    }
}
