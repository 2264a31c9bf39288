using System.Text.Json.Nodes;
using DfPO.Actors.Configuration;
using DfPO.Host.Planning;
using DfPO.Learner.Advantages;
using DfPO.Learner.Objectives;
using DfPO.Learner.Optimisation;
using DfPO.Models;
using DfPO.Models.Lora;
using TorchSharp;
using static TorchSharp.torch;
using AdamW = DfPO.Learner.Optimisation.AdamW;

namespace DfPO.Host.Tests.Planning;

public sealed class MemoryEstimateTests
{
    private static readonly ModelConfig s_gptj = GptJ(vocabulary: 50400, positions: 2048, layers: 28);

    [Theory]
    [InlineData("gpt2", "gpt2")]
    [InlineData("gptj", "bert")]
    [InlineData("t5", "distilbert")]
    [InlineData("gemma3_text", "bert")]
    [InlineData("opt_postnorm", "bert")]
    public void Every_part_of_a_run_needs_memory_whatever_the_architecture(string fixture, string classifier)
    {
        var (policy, reward) = (
            PretrainedModels.ReadConfig(Repository.Path($"tests/fixtures/{fixture}")),
            PretrainedModels.ReadClassifierSize(Repository.Path($"tests/fixtures/{classifier}"))
        );

        var estimate = MemoryEstimate.Of(new ExperimentConfig(), policy, reward);

        Assert.All(estimate.Parts, part => Assert.True(part.Bytes > 0, part.What));
        using var model = PretrainedModels.LoadLanguageModel(Repository.Path($"tests/fixtures/{fixture}"));
        Assert.Equal(
            4.0 * model.parameters().Sum(parameter => parameter.numel()),
            estimate.Parts.Single(part => part.What == "learner: policy weights").Bytes
        );
    }

    [Fact]
    public void With_adapters_a_GPT_J_run_fits_one_80_GB_GPU_and_without_it_does_not()
    {
        var config = new ExperimentConfig();
        config = config with
        {
            Model = config.Model with { Device = "cuda:0" },
            Rollout = config.Rollout with { Devices = ["cuda:0"], UnitSize = 4 },
        };

        var plan = MemoryEstimate.WithSwitches(config, s_gptj, s_gptj.ParameterCount).ToArray();

        Assert.True(plan[0].OnDevice > 80e9);
        Assert.True(plan[^1].OnDevice < 72e9);
        Assert.All(plan.Zip(plan.Skip(1)), pair => Assert.True(pair.Second.OnDevice <= pair.First.OnDevice));
        var full = MemoryEstimate.Of(config, s_gptj, s_gptj.ParameterCount).Parts;
        Assert.Equal(6_050_882_784 * 4.0 * 2, full.Single(part => part.What == "learner: gradients").Bytes);
        var lora = MemoryEstimate
            .Of(config with { Model = config.Model with { Lora = new LoraOptions { Rank = 16 } } }, s_gptj, s_gptj.ParameterCount)
            .Parts;
        // 28 blocks, queries and values, two factors of 16 x 4096.
        Assert.Equal(28 * 2 * 2 * 16 * 4096 * 4.0 * 2, lora.Single(part => part.What == "learner: gradients").Bytes);
    }

    [Fact]
    public void A_budget_needs_the_reference_and_its_logits_and_no_value_model_and_under_adapters_no_weights_more()
    {
        var policy = PretrainedModels.ReadConfig(Repository.Path("tests/fixtures/gpt2"));
        var plain = new ExperimentConfig { Learner = new() { Advantages = AdvantageKind.Group } };
        var budget = plain with { Learner = plain.Learner with { Dfpo = new DfpoOptions { MaskRule = DfpoMaskRule.Budget } } };
        static ExperimentConfig Adapted(ExperimentConfig config) =>
            config with
            {
                Model = config.Model with { Lora = new LoraOptions { Rank = 4 } },
            };
        double More(ExperimentConfig with, ExperimentConfig without) =>
            MemoryEstimate.Of(with, policy, 0).Total - MemoryEstimate.Of(without, policy, 0).Total;
        var logits = 4.0 * policy.VocabSize * 16 * 48;

        Assert.Equal((4.0 * policy.ParameterCount) + logits, More(budget, plain), 1e-3);
        Assert.Equal(logits, More(Adapted(budget), Adapted(plain)), 1e-3);
        Assert.Equal(
            4.0 * 4 * policy.ParameterCount,
            More(plain with { Learner = plain.Learner with { Advantages = AdvantageKind.Gae } }, plain),
            1e-3
        );
        var sampled = budget with { Learner = budget.Learner with { Dfpo = budget.Learner.Dfpo with { BudgetForm = BudgetForm.Sampled } } };
        Assert.Equal(0, More(sampled, plain));
    }

    [Fact(Explicit = true)]
    public void Weights_gradients_and_moments_of_a_block_of_GPT_Js_width_take_what_is_estimated()
    {
        using var scope = NewDisposeScope();
        var config = GptJ(vocabulary: 512, positions: 64, layers: 1);
        var experiment = new ExperimentConfig();
        var estimate = MemoryEstimate.Of(experiment, config, config.ParameterCount);
        double Of(string what) => estimate.Parts.Single(part => part.What == what).Bytes;
        var expected = Of("learner: policy weights") + ((Of("learner: gradients") + Of("learner: AdamW moments")) / 2);
        var before = Resident();

        using var model = (CausalLM)LanguageModel.Create(config);
        model.Initialise(1);
        using var optimizer = new AdamW(ParameterGroup.Split(model, "", 1e-5, 0.01));
        model.Logits(zeros([1, 4], ScalarType.Int64)).sum().backward();
        optimizer.Step();
        var measured = Resident() - before;

        Assert.InRange(measured, 0.9 * expected, 1.1 * expected);
        TestContext.Current.SendDiagnosticMessage($"estimated {expected / 1e9:F3} GB, measured {measured / 1e9:F3} GB");
    }

    [Fact]
    public void A_layer_with_a_window_caches_its_window_alone()
    {
        var full = PretrainedModels.ReadConfig(Repository.Path("tests/fixtures/llama"));
        var slides = PretrainedModels.ReadConfig(Repository.Path("tests/fixtures/gemma2"));

        Assert.Equal((2 * 30, 2 * 100), (full.CachedTokens(30), full.CachedTokens(100)));
        // Layers 0 and 2 of three see four tokens.
        Assert.Equal((4 + 30 + 4, 3 * 2), (slides.CachedTokens(30), slides.CachedTokens(2)));
    }

    private static ModelConfig GptJ(int vocabulary, int positions, int layers) =>
        ModelConfig.FromJson(
            new JsonObject
            {
                ["model_type"] = "gptj",
                ["vocab_size"] = vocabulary,
                ["n_positions"] = positions,
                ["n_embd"] = 4096,
                ["n_layer"] = layers,
                ["n_head"] = 16,
                ["rotary_dim"] = 64,
            },
            "config.json"
        );

    private static double Resident()
    {
        GC.Collect();
        using var process = System.Diagnostics.Process.GetCurrentProcess();
        return process.WorkingSet64;
    }
}
