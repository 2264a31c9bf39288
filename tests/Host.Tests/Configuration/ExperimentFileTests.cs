using System.Collections;
using DfPO.Actors.Configuration;
using DfPO.Host.Configuration;
using DfPO.Learner.Advantages;
using DfPO.Learner.Configuration;
using DfPO.Learner.Objectives;
using DfPO.Models;
using DfPO.Models.Policies;

namespace DfPO.Host.Tests.Configuration;

public sealed class ExperimentFileTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Every_kind_of_value_reaches_its_property()
    {
        var config = Bind(
            """
            task.reward-label = "a name" # text in quotes
            seed = 18446744073709551615
            iterations = 7
            rollout {
              devices = ["cuda:0", cpu]
              unit-timeout = 90s
              generation { temperature = 0.5, max-new-tokens = 20 }
            }
            learner.learning-rate = 3e-5
            learner.bf16 = true
            learner.dfpo { mask-at = rollout, mask-rule = kl-centred, value = two-headed, tolerance = 0.25 } // enums
            """
        );
        Assert.Equal(("a name", ulong.MaxValue, 7), (config.Task.RewardLabel, config.Seed, config.Iterations));
        Assert.Equal(["cuda:0", "cpu"], config.Rollout.Devices);
        Assert.Equal(TimeSpan.FromSeconds(90), config.Rollout.UnitTimeout);
        Assert.Equal((0.5f, 20), (config.Rollout.Generation.Temperature, config.Rollout.Generation.MaxNewTokens));
        Assert.Equal((3e-5, true), (config.Learner.LearningRate, config.Learner.Bf16));
        Assert.Equal(
            new DfpoOptions
            {
                MaskAt = DfpoMaskAt.Rollout,
                MaskRule = DfpoMaskRule.KlCentred,
                Value = DfpoValue.TwoHeaded,
                Tolerance = 0.25f,
            },
            config.Learner.Dfpo
        );
    }

    [Theory]
    [InlineData("learner.dfpo { tolerance = 0.25, mask-rule = kl-centred }", 0.25f, KlMaskRule.KlCentred)]
    [InlineData("learner.dfpo { tolerance = 0.25, mask-rule = kl-centred }\nevaluation.decoding.tolerance = 0", 0f, KlMaskRule.KlCentred)]
    [InlineData("learner.dfpo { tolerance = 0.25, mask-rule = kl-centred }\nevaluation.decoding.mask-rule = sign", 0.25f, KlMaskRule.Sign)]
    [InlineData("learner.preset = dfpo\nevaluation.decoding.mask-rule = kl-centred", 0.4f, KlMaskRule.KlCentred)]
    [InlineData("evaluation.decoding.tolerance = 0.5", 0.5f, KlMaskRule.Sign)]
    [InlineData("learner.dfpo { tolerance = 0.25, mask-rule = budget }", 0.25f, KlMaskRule.Sign)]
    [InlineData("learner.dfpo { tolerance = 0.25, mask-rule = budget }\nevaluation.decoding.tolerance = 0", 0f, KlMaskRule.Sign)]
    [InlineData("", 0.1f, KlMaskRule.Sign)]
    public void Decoding_is_training_s_but_for_what_is_said_of_it(string text, float tolerance, KlMaskRule rule)
    {
        var config = Bind(text);
        Assert.Equal((tolerance, rule), (config.Decoding().Tolerance, config.Decoding().MaskRule));
        // What a run's folder keeps says the same.
        Assert.Equal(config.Decoding(), Bind(ResolvedConfig.Write(config)).Decoding());
    }

    [Fact]
    public void What_a_file_does_not_say_keeps_the_record_s_default() =>
        Assert.Equal(ResolvedConfig.Write(new ExperimentConfig { Iterations = 3 }), ResolvedConfig.Write(Bind("iterations = 3")));

    [Theory]
    [InlineData("500ms", 500)]
    [InlineData("30s", 30_000)]
    [InlineData("1.5m", 90_000)]
    [InlineData("2 h", 7_200_000)]
    [InlineData("1d", 86_400_000)]
    public void Durations_have_units(string text, double milliseconds) =>
        Assert.Equal(TimeSpan.FromMilliseconds(milliseconds), Bind($"rollout.unit-timeout = {text}").Rollout.UnitTimeout);

    [Theory]
    [InlineData("learner.learning-rat = 1", "config/unknown-key", "'learner.learning-rat'", "'learner.learning-rate'")]
    [InlineData("lerner { gamma = 1 }", "config/unknown-key", "'lerner'", "'learner'")]
    [InlineData("rollout.generation.topk = 1", "config/unknown-key", "'rollout.generation.topk'", "'rollout.generation.top-k'")]
    [InlineData("iterations = many", "config/value", "'iterations' is 'many'", "a whole number")]
    [InlineData("iterations = 1.5", "config/value", "'iterations' is '1.5'", "a whole number")]
    [InlineData("seed = -1", "config/value", "'seed' is '-1'", "at least 0")]
    [InlineData("learner.bf16 = maybe", "config/value", "'learner.bf16' is 'maybe'", "true or false")]
    [InlineData("learner.gamma = high", "config/value", "'learner.gamma' is 'high'", "a number")]
    [InlineData("learner.objective = reinforce", "config/value", "'learner.objective' is 'reinforce'", "one of dfpo, ppo")]
    [InlineData("rollout.unit-timeout = 5", "config/value", "'rollout.unit-timeout' is '5'", "5m")]
    [InlineData("learner = 3", "config/value", "'learner' is '3'", "an object")]
    [InlineData("iterations { a = 1 }", "config/value", "'iterations' is an object", "a whole number")]
    [InlineData("iterations = [1, 2]", "config/value", "'iterations' is '[1, 2]'", "a whole number")]
    [InlineData(
        "learner.preset = best",
        "config/value",
        "'learner.preset' is 'best'",
        "dfpo, dfpo-iclr, dfpo-budget, ppo, nlpo, a2c, trpo, supervised, grpo, rloo, reinforce-plus-plus, dpo, kto, ppo-supervised"
    )]
    [InlineData("learner {\n gamma = 1", "config/syntax", "line 1", "'{' is not closed")]
    [InlineData("a = 1 ]", "config/syntax", "line 1", "']' closes nothing")]
    [InlineData("name = \"x", "config/syntax", "line 1", "a quote is not closed")]
    [InlineData("name = ${nowhere}", "config/syntax", "not valid HOCON", "nowhere")]
    public void A_mistake_is_told_with_file_key_and_remedy(string text, string code, string where, string remedy)
    {
        var error = Assert.Throws<DfpoException>(() => Bind(text));
        Assert.Equal(code, error.Code);
        Assert.Contains("main.conf", error.Message);
        Assert.Contains(where, error.Message);
        Assert.Contains(remedy, error.Message);
    }

    [Fact]
    public void A_missing_file_is_told() =>
        Assert.Equal("config/missing-file", Assert.Throws<DfpoException>(() => ExperimentFile.Load(_folder["none.conf"])).Code);

    [Fact]
    public void An_include_is_relative_to_its_file_and_own_keys_win()
    {
        _folder.Write("shared/base.conf", "include \"deeper.conf\"\niterations = 3, learner.gamma = 0.5");
        _folder.Write("shared/deeper.conf", "seed = 9, iterations = 2");
        var config = Bind("iterations = 4\ninclude \"shared/base.conf\"");
        Assert.Equal((4, 9UL, 0.5), (config.Iterations, config.Seed, config.Learner.Gamma));
    }

    [Fact]
    public void A_mistake_in_an_included_file_names_that_file()
    {
        _folder.Write("base.conf", "iteration = 3");
        Assert.Contains("base.conf", Assert.Throws<DfpoException>(() => Bind("include \"base.conf\"")).Message);
    }

    [Fact]
    public void An_include_that_is_missing_or_circular_is_told()
    {
        Assert.Contains("main.conf' includes it", Assert.Throws<DfpoException>(() => Bind("include \"none.conf\"")).Message);
        Assert.Equal("config/include-cycle", Assert.Throws<DfpoException>(() => Bind("include \"main.conf\"")).Code);
    }

    [Fact]
    public void The_command_line_beats_the_environment_beats_the_file()
    {
        var environment = new Hashtable
        {
            ["DFPO__LEARNER__LEARNING_RATE"] = "2e-5",
            ["DFPO__ITERATIONS"] = "20",
            ["DFPO__ROLLOUT__DEVICES"] = "cpu,cuda:1",
            ["DFPO_FIXTURES"] = "elsewhere",
        };
        var config = Bind("learner.learning-rate = 1e-5, iterations = 10, seed = 5", ["iterations=30"], environment);
        Assert.Equal((2e-5, 30, 5UL), (config.Learner.LearningRate, config.Iterations, config.Seed));
        Assert.Equal(["cpu", "cuda:1"], config.Rollout.Devices);
    }

    [Fact]
    public void A_mistake_outside_the_files_names_its_origin()
    {
        Assert.Contains(
            "DFPO__ITERATION ",
            Assert.Throws<DfpoException>(() => Bind("", [], new Hashtable { ["DFPO__ITERATION "] = "1" })).Message
        );
        Assert.Contains("--set iterations=x", Assert.Throws<DfpoException>(() => Bind("", ["iterations=x"])).Message);
        Assert.Equal("config/set", Assert.Throws<DfpoException>(() => Bind("", ["iterations"])).Code);
    }

    [Fact]
    public void Settings_may_be_lists_and_hold_equals_signs()
    {
        var config = Bind("", ["rollout.devices=[\"cuda:0\", \"cuda:1\"]", "task.reward-label=a=b", "task.reward-label = c=d"]);
        Assert.Equal(["cuda:0", "cuda:1"], config.Rollout.Devices);
        Assert.Equal("c=d", config.Task.RewardLabel);
    }

    [Fact]
    public void A_preset_sets_the_switches_and_explicit_keys_win()
    {
        var iclr = Bind("learner { preset = dfpo-iclr, dfpo { tolerance = 0.3, decode = policy } }").Learner;
        Assert.Equal(
            new DfpoOptions
            {
                Behaviour = DfpoBehaviour.Masked,
                MaskAt = DfpoMaskAt.Rollout,
                Value = DfpoValue.Single,
                Decode = DecodingPolicy.Policy,
                Tolerance = 0.3f,
            },
            iclr.Dfpo
        );
        var budget = Bind("learner { preset = dfpo-budget, dfpo.kl-budget = 0.05 }").Learner;
        Assert.Equal(
            (AdvantageKind.Group, DfpoMaskRule.Budget, 0.05, DecodingPolicy.Policy),
            (budget.Advantages, budget.Dfpo.MaskRule, budget.Dfpo.KlBudget, budget.Dfpo.Decode)
        );
        Assert.Equal(ObjectiveKind.Ppo, Bind("learner.preset = dfpo", ["learner.preset=ppo"]).Learner.Objective);
        Assert.Equal(
            new DfpoOptions
            {
                Behaviour = DfpoBehaviour.Policy,
                MaskAt = DfpoMaskAt.Update,
                Tolerance = 0.4f,
                Decode = DecodingPolicy.Negative,
            },
            Bind("learner.preset = dfpo").Learner.Dfpo
        );
    }

    private ExperimentConfig Bind(string text, string[]? settings = null, Hashtable? environment = null) =>
        ExperimentFile.Bind(_folder.Write("main.conf", text), settings ?? [], environment ?? [], path => path);
}
