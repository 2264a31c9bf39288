using DfPO.Learner.Advantages;
using DfPO.Learner.Configuration;
using DfPO.Learner.Objectives;
using DfPO.Learner.Updates;
using DfPO.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Tests.Objectives;

/// <summary>What holds of every update rule, whatever it does.</summary>
public sealed class EveryObjectiveTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public static TheoryData<ObjectiveKind> Kinds => EveryObjective.Kinds;

    public void Dispose() => _folder.Dispose();

    private sealed record Models(CausalLM Policy, ValueModel Value, CausalLM Mask);

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_run_killed_after_two_of_four_iterations_ends_with_the_same_bits(ObjectiveKind kind)
    {
        var options = EveryObjective.Options with { Objective = kind };
        Models Fresh(ulong seed) => new(Support.TinyPolicy(seed), Support.TinyValue(seed + 1), Support.TinyPolicy(seed + 2));
        var (whole, killed, resumed) = (Fresh(1), Fresh(1), Fresh(50));
        IReadOnlyDictionary<string, double> first,
            second;
        using (var learner = EveryObjective.Learner(options, whole.Policy, whole.Value, whole.Mask, _folder["incidents"]))
            first = Run(learner, options, whole, 0, 4);
        using (var learner = EveryObjective.Learner(options, killed.Policy, killed.Value, killed.Mask, _folder["incidents"]))
        {
            Run(learner, options, killed, 0, 2);
            learner.Save(_folder["checkpoint"]);
            Run(learner, options, killed, 2, 3);
        }
        using (var learner = EveryObjective.Learner(options, resumed.Policy, resumed.Value, resumed.Mask, _folder["incidents"]))
        {
            learner.Load(_folder["checkpoint"]);
            second = Run(learner, options, resumed, 2, 4);
        }
        Assert.Equal(Support.Bytes(whole.Policy), Support.Bytes(resumed.Policy));
        Assert.NotEqual(Support.Bytes(Support.TinyPolicy()), Support.Bytes(resumed.Policy));
        Assert.Equal(first.OrderBy(m => m.Key), second.OrderBy(m => m.Key));
        Assert.All(first.Values, value => Assert.True(double.IsFinite(value)));
        if (ObjectiveRegistry.Traits(options).NeedsValue)
            Assert.Equal(Support.Bytes(whole.Value), Support.Bytes(resumed.Value));
    }

    public static TheoryData<ObjectiveKind, int, int> Pieces =>
        [
            .. Enum.GetValues<ObjectiveKind>()
                .SelectMany(kind => new (ObjectiveKind, int, int)[] { (kind, 3, 0), (kind, 0, 5), (kind, 1, 4) }),
        ];

    [Theory]
    [MemberData(nameof(Pieces))]
    public void Working_in_pieces_takes_the_same_step(ObjectiveKind kind, int microbatch, int headChunk)
    {
        // Plain steps without momentum's sign: the norm is left alone and one step shows the gradient.
        var options = EveryObjective.Options with
        {
            Objective = kind,
            Epochs = 1,
            MinibatchSize = 8,
            MaxGradNorm = 1e9,
            Trpo = new TrpoOptions { CriticEpochs = 1, ConjugateGradientIterations = 3 },
        };
        (CausalLM Policy, IReadOnlyDictionary<string, double> Metrics) Step(LearnerOptions with)
        {
            var (policy, rolledOut) = (Support.TinyPolicy(1), Support.TinyPolicy(4));
            using var learner = EveryObjective.Learner(with, policy, Support.TinyValue(), Support.TinyPolicy(9), _folder["incidents"]);
            return (policy, learner.Update(EveryObjective.Batch(with, rolledOut, Support.TinyPolicy(3), 11)).Metrics);
        }
        var (whole, wholeMetrics) = Step(options);
        var (pieces, piecesMetrics) = Step(options with { MicrobatchSize = microbatch, HeadChunkTokens = headChunk });
        Assert.Equal(wholeMetrics.Keys.Order(), piecesMetrics.Keys.Order());
        foreach (var (name, value) in wholeMetrics)
            Assert.True(
                Math.Abs(value - piecesMetrics[name]) <= 1e-4 * Math.Max(1, Math.Abs(value)),
                $"{name}: {value:R} and {piecesMetrics[name]:R}"
            );
        using var _ = no_grad();
        foreach (var ((name, a), (_, b)) in whole.named_parameters().Zip(pieces.named_parameters()))
        {
            // A key's bias shifts all scores of a query alike: its gradient is zero, and rounding noise in numbers.
            if (name.EndsWith("c_attn.bias"))
                continue;
            // Adam's first step is the gradient's sign, so where that is rounding noise a step may turn round; nearly everywhere it does
            // not.
            var apart = (a - b).abs().Above(1e-4).to(ScalarType.Float64).mean().ToNumber();
            Assert.True(apart < 0.01, $"{name}: {apart:P} of the entries differ");
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_batch_that_the_traits_do_not_describe_is_refused(ObjectiveKind kind)
    {
        var options = EveryObjective.Options with { Objective = kind };
        var (policy, traits) = (Support.TinyPolicy(), ObjectiveRegistry.Traits(options));
        var batch = EveryObjective.Batch(options, policy, Support.TinyPolicy(3), 11);
        using var learner = EveryObjective.Learner(options, policy, Support.TinyValue(), Support.TinyPolicy(9), _folder["incidents"]);
        void Refused(Trajectory[] wrong) => Assert.Equal("learner/batch", Assert.Throws<DfpoException>(() => learner.Update(wrong)).Code);
        if (traits.NeedsDemonstrations)
            Refused([batch[0] with { Demonstration = null, IsDemonstration = false }, .. batch[1..]]);
        if (traits.SamplesPerPrompt > 1)
        {
            Refused([batch[0] with { Group = 77 }, .. batch[1..]]);
            Refused([batch[0] with { PromptTokens = [5] }, .. batch[1..]]);
        }
        if (traits.SamplesPerPrompt > 0)
            Refused([Trajectory.Demonstrated([1], [2]) with { Group = batch[0].Group }, .. batch[1..]]);
        if (!traits.WholeBatch)
            Refused(batch[..7]);
        Refused([]);
        Assert.Equal(0, learner.Iteration);
    }

    [Fact]
    public void Critic_free_rules_need_no_value_model_and_leave_one_alone_and_the_others_insist()
    {
        foreach (var kind in Enum.GetValues<ObjectiveKind>())
        {
            var options = EveryObjective.Options with { Objective = kind };
            using var policy = Support.TinyPolicy();
            PolicyLearner Without() => new(policy, null, options, 1, _folder["incidents"], Support.TinyPolicy(), Support.TinyPolicy());
            if (ObjectiveRegistry.Traits(options).NeedsValue)
                Assert.Equal("learner/model", Assert.Throws<DfpoException>(Without).Code);
            else
                Without().Dispose();
        }
        Assert.Equal(
            "learner/model",
            Assert
                .Throws<DfpoException>(() =>
                    new PolicyLearner(
                        Support.TinyPolicy(),
                        Support.TinyValue(),
                        EveryObjective.Options with
                        {
                            Objective = ObjectiveKind.Nlpo,
                        },
                        1,
                        "unused"
                    )
                )
                .Code
        );
    }

    public static TheoryData<string, LearnerOptions> BadOptions =>
        new()
        {
            { "microbatch-size", EveryObjective.Options with { MicrobatchSize = -1 } },
            { "head-chunk-tokens", EveryObjective.Options with { HeadChunkTokens = -1 } },
            { "importance-truncation", EveryObjective.Options with { ImportanceTruncation = double.NaN } },
            { "importance-truncation", EveryObjective.Options with { ImportanceTruncation = 0 } },
            { "advantages", EveryObjective.Options with { Objective = ObjectiveKind.Grpo, Advantages = AdvantageKind.Gae } },
            { "advantages", EveryObjective.Options with { Objective = ObjectiveKind.Supervised, Advantages = AdvantageKind.Group } },
            { "samples-per-prompt", EveryObjective.Options with { Objective = ObjectiveKind.Grpo, SamplesPerPrompt = 4 } },
            { "samples-per-prompt", EveryObjective.Options with { SamplesPerPrompt = -1 } },
            { "samples-per-prompt", EveryObjective.Options with { Advantages = AdvantageKind.Rloo, SamplesPerPrompt = 1 } },
            {
                "dfpo.value",
                EveryObjective.Options with
                {
                    Advantages = AdvantageKind.Group,
                    Dfpo = new DfpoOptions { Behaviour = DfpoBehaviour.Masked, Value = DfpoValue.TwoHeaded },
                }
            },
            { "dfpo.kl-budget", EveryObjective.Options with { Dfpo = new DfpoOptions { KlBudget = -0.1 } } },
            { "dfpo.kl-budget", EveryObjective.Options with { Dfpo = new DfpoOptions { KlBudget = double.NaN } } },
            {
                "dfpo.behaviour",
                EveryObjective.Options with
                {
                    Dfpo = new DfpoOptions { MaskRule = DfpoMaskRule.Budget, Behaviour = DfpoBehaviour.Masked },
                }
            },
            {
                "dfpo.mask-at",
                EveryObjective.Options with
                {
                    Dfpo = new DfpoOptions { MaskRule = DfpoMaskRule.Budget, MaskAt = DfpoMaskAt.Rollout },
                }
            },
            {
                "dfpo.mask-at",
                EveryObjective.Options with
                {
                    Dfpo = new DfpoOptions { MaskRule = DfpoMaskRule.Scaled, MaskAt = DfpoMaskAt.Rollout },
                }
            },
            { "value-clip-range", EveryObjective.Options with { ValueClipRange = -1 } },
            { "entropy-coefficient", EveryObjective.Options with { EntropyCoefficient = -1 } },
            { "ppo.delta", EveryObjective.Options with { Ppo = new PpoOptions { Delta = 0.5 } } },
            { "clip-range-high", EveryObjective.Options with { ClipRangeHigh = -1 } },
            {
                "clip-range-high",
                EveryObjective.Options with
                {
                    Objective = ObjectiveKind.Grpo,
                    Grpo = new GrpoOptions { LossType = GrpoLossType.Cispo },
                }
            },
            { "nlpo.top-p", EveryObjective.Options with { Nlpo = new NlpoOptions { TopP = 0 } } },
            { "nlpo.min-tokens-to-keep", EveryObjective.Options with { Nlpo = new NlpoOptions { MinTokensToKeep = 0 } } },
            { "nlpo.refresh-every", EveryObjective.Options with { Nlpo = new NlpoOptions { RefreshEvery = 0 } } },
            { "a2c.kl-coefficient", EveryObjective.Options with { A2c = new A2cOptions { KlCoefficient = -1 } } },
            { "a2c.lambda", EveryObjective.Options with { A2c = new A2cOptions { Lambda = 2 } } },
            { "trpo.max-step-kl", EveryObjective.Options with { Trpo = new TrpoOptions { MaxStepKl = 0 } } },
            { "trpo.line-search-factor", EveryObjective.Options with { Trpo = new TrpoOptions { LineSearchFactor = 1 } } },
            { "trpo.damping", EveryObjective.Options with { Trpo = new TrpoOptions { Damping = -1 } } },
            { "grpo.samples-per-prompt", EveryObjective.Options with { Grpo = new GrpoOptions { SamplesPerPrompt = 1 } } },
            { "grpo.delta", EveryObjective.Options with { Grpo = new GrpoOptions { Delta = 1 } } },
            {
                "grpo.delta",
                EveryObjective.Options with
                {
                    Grpo = new GrpoOptions { Delta = 2, LossType = GrpoLossType.Sapo },
                }
            },
            { "grpo.importance-sampling-level", EveryObjective.Options with { Grpo = new GrpoOptions { LossType = GrpoLossType.Luspo } } },
            { "grpo.max-completion-length", EveryObjective.Options with { Grpo = new GrpoOptions { LossType = GrpoLossType.DrGrpo } } },
            {
                "grpo.off-policy-mask-threshold",
                EveryObjective.Options with
                {
                    Grpo = new GrpoOptions { OffPolicyMaskThreshold = double.NaN },
                }
            },
            { "grpo.sapo-temperature-neg", EveryObjective.Options with { Grpo = new GrpoOptions { SapoTemperatureNeg = 0 } } },
            { "grpo.vespo-lambda-pos", EveryObjective.Options with { Grpo = new GrpoOptions { VespoLambdaPos = 0 } } },
            { "rloo.reward-clip-range", EveryObjective.Options with { Rloo = new RlooOptions { RewardClipRange = [1, -1] } } },
            { "rloo.reward-clip-range", EveryObjective.Options with { Rloo = new RlooOptions { RewardClipRange = [1] } } },
            { "rloo.samples-per-prompt", EveryObjective.Options with { Rloo = new RlooOptions { SamplesPerPrompt = 1 } } },
            { "reinforce-plus-plus.gamma", EveryObjective.Options with { ReinforcePlusPlus = new ReinforcePlusPlusOptions { Gamma = 0 } } },
            { "dpo.beta", EveryObjective.Options with { Dpo = new DpoOptions { Beta = 0 } } },
            { "dpo.label-smoothing", EveryObjective.Options with { Dpo = new DpoOptions { LabelSmoothing = 0.5 } } },
            { "dpo.loss-type", EveryObjective.Options with { Dpo = new DpoOptions { LossType = [] } } },
            { "dpo.loss-weights", EveryObjective.Options with { Dpo = new DpoOptions { LossWeights = [1, 2] } } },
            { "dpo.label-smoothing", EveryObjective.Options with { Dpo = new DpoOptions { LossType = [DpoLossType.ExoPair] } } },
            { "dpo.target-margin", EveryObjective.Options with { Dpo = new DpoOptions { TargetMargin = -1 } } },
            { "dpo.f-alpha-divergence-coef", EveryObjective.Options with { Dpo = new DpoOptions { FAlphaDivergenceCoef = 1 } } },
            { "dpo.ld-alpha", EveryObjective.Options with { Dpo = new DpoOptions { LdAlpha = 2 } } },
            { "dpo.discopop-tau", EveryObjective.Options with { Dpo = new DpoOptions { DiscopopTau = 0 } } },
            { "ppo-supervised.coefficient", EveryObjective.Options with { PpoSupervised = new PpoSupervisedOptions { Coefficient = -1 } } },
            { "guards.min-kl", EveryObjective.Options with { Guards = new() { MinKl = 0.1 } } },
            { "guards.max-repetition", EveryObjective.Options with { Guards = new() { MaxRepetition = 0 } } },
            { "guards.max-perplexity-ratio", EveryObjective.Options with { Guards = new() { MaxPerplexityRatio = 1 } } },
            { "objective", EveryObjective.Options with { Objective = (ObjectiveKind)99 } },
        };

    [Theory]
    [MemberData(nameof(BadOptions))]
    public void An_option_out_of_range_is_named(string field, LearnerOptions options)
    {
        var error = Assert.Throws<DfpoException>(() => ObjectiveRegistry.Create(options));
        Assert.Equal("learner/options", error.Code);
        Assert.Contains($"'{field}'", error.Message);
    }

    private IReadOnlyDictionary<string, double> Run(PolicyLearner learner, LearnerOptions options, Models models, int from, int to)
    {
        IReadOnlyDictionary<string, double> metrics = new Dictionary<string, double>();
        using var reference = Support.TinyPolicy(3);
        for (var iteration = from; iteration < to; iteration++)
            metrics = learner.Update(EveryObjective.Batch(options, models.Policy, reference, (ulong)(100 + iteration))).Metrics;
        return metrics;
    }
}
