using DfPO.Actors.Configuration;
using DfPO.Actors.Learning;
using DfPO.Actors.Weights;
using DfPO.Learner;
using DfPO.Learner.Advantages;
using DfPO.Learner.Configuration;
using DfPO.Learner.Objectives;
using DfPO.Learner.Updates;
using DfPO.Models;
using DfPO.Models.Lora;
using DfPO.Models.Policies;
using DfPO.Models.Tokenizers;
using DfPO.Rollout;
using DfPO.Rollout.Generation;
using DfPO.Tasks.Prompts;
using DfPO.Tests.Support;
using static TorchSharp.torch;

namespace DfPO.Actors.Tests;

/// <summary>
/// Numbers that are made by a generation engine and compared with the learner's own: the two compute the same policy by other kernels.
/// </summary>
public sealed class EngineToLearnerTests
{
    private static readonly string s_model = Repository.Path("models/imdb-tiny/policy");

    public EngineToLearnerTests() => set_num_threads(1);

    /// <summary>Property 1 of the specification, through the real path: at the reference both masks are all true.</summary>
    [Theory]
    [InlineData("float32", false)]
    [InlineData("bfloat16", false)]
    [InlineData("float32", true)]
    [InlineData("bfloat16", true)]
    public void At_the_reference_no_token_is_shut_without_tolerance(string engine, bool bf16)
    {
        var options = new LearnerOptions
        {
            LearningRate = 1e-12,
            Epochs = 3,
            MinibatchSize = 8,
            Bf16 = bf16,
            Dfpo = new DfpoOptions { MaskAt = DfpoMaskAt.Update, Tolerance = 0 },
        };
        using var policy = PretrainedModels.LoadLanguageModel(s_model);
        using var value = new ValueModel(PretrainedModels.LoadLanguageModel(s_model));
        using var learner = new PolicyLearner(policy, value, options, 1, "unused");
        var batch = RollOut(engine, 32);
        var metrics = learner.Update(batch).Metrics;
        Assert.True(
            metrics["dfpo/mask_positive"] == 1 && metrics["dfpo/mask_negative"] == 1,
            $"engine {engine}, learner {(bf16 ? "bf16" : "f32")}: open {metrics["dfpo/mask_positive"]} and {metrics["dfpo/mask_negative"]}, ratio {metrics["policy/ratio"]}, kl {metrics["policy/approx_kl"]:E2}"
        );
    }

    /// <summary>
    /// Policy and reference run the same kernels on the same shapes: before the first step nothing of a budget is used, not even a
    /// rounding.
    /// </summary>
    [Theory]
    [InlineData(false, 0)]
    [InlineData(false, 100)]
    [InlineData(true, 0)]
    public void At_the_reference_nothing_of_a_budget_is_used(bool bf16, int chunk)
    {
        var options = new LearnerOptions
        {
            // No weight is so small that it would change.
            LearningRate = 1e-30,
            Epochs = 2,
            MinibatchSize = 8,
            Bf16 = bf16,
            HeadChunkTokens = chunk,
            Advantages = AdvantageKind.Reinforce,
            Dfpo = new DfpoOptions { MaskRule = DfpoMaskRule.Budget, KlBudget = 0 },
        };
        using var policy = PretrainedModels.LoadLanguageModel(s_model);
        using var reference = PretrainedModels.LoadLanguageModel(s_model);
        using var learner = new PolicyLearner(policy, null, options, 1, "unused", reference: reference);
        var metrics = learner.Update(RollOut("bfloat16", 16)).Metrics;
        Assert.Equal(
            (0, 0, 1, 1),
            (metrics["dfpo/kl_budget_used"], metrics["dfpo/over_budget"], metrics["dfpo/mask_positive"], metrics["dfpo/mask_negative"])
        );
        // What the engine's precision does to its policy is told, and nothing else is.
        Assert.InRange(metrics["rollout_is/std"], 1e-3, 0.2);
        Assert.Equal(1, metrics["policy/ratio"], 1e-5);
    }

    /// <summary>The reference of a policy of adapters is its base without them.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(4)]
    public void What_is_used_of_a_budget_is_measured_from_the_policy_that_training_started_from(int rank)
    {
        var config = new ExperimentConfig
        {
            Model = new ModelOptions
            {
                Policy = s_model,
                Lora = new LoraOptions { Rank = rank },
            },
            Learner = new LearnerOptions
            {
                LearningRate = 1e-3,
                Epochs = 1,
                MinibatchSize = 16,
                Advantages = AdvantageKind.Reinforce,
                Dfpo = new DfpoOptions { MaskRule = DfpoMaskRule.Budget, KlBudget = 0.2 },
            },
        };
        using var store = new WeightsStore();
        using var session = new LearnerSession(config, store, "unused");
        session.Start(null);
        double Used() => session.Learn(RollOut("float32", 16), default, []).Report.Metrics["dfpo/kl_budget_used"];
        Assert.Equal(0, Used(), 1e-9);
        Assert.InRange(Used(), 1e-6, 1);
    }

    /// <summary>Continuations of bundled prompts with made-up rewards, as an engine of initial weights makes them.</summary>
    private static Trajectory[] RollOut(string dtype, int count)
    {
        using var policy = PretrainedModels.LoadLanguageModel(s_model, CPU, dtype == "bfloat16" ? ScalarType.BFloat16 : ScalarType.Float32);
        using var reference = PretrainedModels.LoadLanguageModel(
            s_model,
            CPU,
            dtype == "bfloat16" ? ScalarType.BFloat16 : ScalarType.Float32
        );
        var tokenizer = TextTokenizer.Load(s_model);
        var prompts = PromptSet
            .Read(Repository.Path("models/imdb-tiny/prompts/train.jsonl"))
            .Prompts.Take(count)
            .Select(p => tokenizer.Encode(p.Text))
            .ToArray();
        var engine = new GenerationEngine(policy, reference, policy.Config.EosTokenId);
        var sequences = engine.Generate(
            [.. prompts.Select((p, i) => new GenerationRequest([.. p], (ulong)i))],
            new GenerationOptions { MaxNewTokens = 24 }
        );
        return
        [
            .. sequences.Select(
                (s, i) =>
                    new Trajectory
                    {
                        PromptTokens = s.PromptTokens,
                        Tokens = s.Tokens,
                        Logprobs = s.Logprobs,
                        ReferenceLogprobs = s.ReferenceLogprobs,
                        StateKl = s.StateKl,
                        RetainedMass = s.RetainedMass,
                        Reward = i % 2 == 0 ? 1 : -1,
                        Behaviour = DecodingPolicy.Policy,
                        WeightsVersion = 0,
                    }
            ),
        ];
    }
}
