using System.Text.Json;
using DfPO.Learner.Objectives;

namespace DfPO.Learner.Tests.Trl;

/// <summary>grpo.json through <see cref="GrpoObjective"/>.</summary>
[Trait("Category", "Fixtures")]
public sealed class GrpoFixtureTests
{
    private const string File = "grpo.json";

    private static readonly Dictionary<string, string> s_metrics = new()
    {
        ["kl"] = "grpo/kl",
        ["clip_ratio/low_mean"] = "policy/clip_low",
        ["clip_ratio/low_min"] = "policy/clip_low_min",
        ["clip_ratio/high_mean"] = "policy/clip_high",
        ["clip_ratio/high_max"] = "policy/clip_high_max",
        ["clip_ratio/region_mean"] = "policy/clip_region",
        ["cispo_clip_ratio"] = "grpo/cispo_clipped",
        ["vespo/phi_seq_mean"] = "grpo/vespo_phi",
    };

    public static TheoryData<string> Losses => TrlFixtures.Cases(File, "cases");

    public static TheoryData<string> Advantages => TrlFixtures.Cases(File, "advantages", "cases");

    [Theory]
    [MemberData(nameof(Losses))]
    public void Loss_gradient_and_metrics(string name)
    {
        var (file, c) = (TrlFixtures.File(File), TrlFixtures.Case(name, File, "cases"));
        Assert.SkipWhen(
            c.Word("loss_type") == "luspo" && c.Word("importance_sampling_level") == "token",
            "luspo with ratios of tokens is refused: TRL's mean then counts padding"
        );
        var options = Options(c, file);
        var all = file.GetProperty("completion_mask");
        var mask = c.TryGetProperty("completion_mask", out var own) ? own : all;
        int[] lengths = [.. all.Matrix().Select(row => (int)row.Sum())];
        bool[] truncated = [.. mask.Matrix().Select(row => row.Sum() == 0)];
        double[] Field(string key) => file.GetProperty(key).Masked(all);
        var (logprobs, advantages) = (Field("log_probs"), file.GetProperty("loss_advantages").Doubles());
        var old = c.Flag("old") ? Field("old_log_probs") : logprobs;
        var (reference, importance) = (Field("ref_log_probs"), c.Flag("vllm") ? Field("vllm_importance_sampling_ratio") : null);

        // A step of TRL's is several micro-batches; one of ours is all of them. The file has one of them: rows without an advantage, at the
        // reference, stand for the others.
        var micro = (int)c.Number("grad_accum", 1);
        var others = (micro - 1) * lengths.Length;
        double[] more = new double[(micro - 1) * lengths.Sum()];
        int[] everyLength = [.. Enumerable.Repeat(lengths, micro).SelectMany(x => x)];
        var batch = TrlFixtures.Batch(
            everyLength,
            [.. old, .. more],
            [.. reference, .. more],
            [.. advantages, .. new double[others]],
            [.. truncated, .. new bool[others]]
        ) with
        {
            Importance = importance is null ? null : [.. importance, .. more.Select(_ => 1.0)],
            StepTokens = Step(c.Number("num_items") * micro / c.Number("steps_per_generation", 1)),
        };
        var statistics = new Statistics();
        var clip = new ClipRange(c.Number("epsilon_low"), c.Number("epsilon_high"));
        var (loss, gradient) = TrlFixtures.LossOf(new GrpoObjective(options, clip), [.. logprobs, .. more], batch, statistics);

        TrlFixtures.Close("loss", c.Number("loss"), loss, TrlFixtures.Exact);
        TrlFixtures.Close("gradient", c.GetProperty("grad").Masked(all), gradient[..logprobs.Length], TrlFixtures.Exact);
        if (micro == 1)
            TrlFixtures.CloseMetrics(c, statistics, s_metrics, new HashSet<string> { "entropy" });
    }

    [Theory]
    [MemberData(nameof(Advantages))]
    public void Advantages_of_groups(string name)
    {
        var c = TrlFixtures.Case(name, File, "advantages", "cases");
        var (rewards, size) = (c.GetProperty("rewards").Numbers(), (int)c.Number("num_generations"));
        var objective = new GrpoObjective(new GrpoOptions { ScaleRewards = TrlFixtures.Member<RewardScale>(c.Word("scale_rewards")) }, 0.2);
        int[] groups = [.. rewards.Select((_, i) => i / size)];
        TrlFixtures.Close(
            "advantages",
            c.GetProperty("advantages").Numbers(),
            objective.SequenceAdvantages(rewards, groups),
            TrlFixtures.Normalised
        );
        // As the learner asks for them: rewards are then float32, and one that is small beside its mean loses digits.
        Trajectory[] batch =
        [
            .. rewards.Select((r, i) => Trajectory.Demonstrated([1], [2, 3]) with { Reward = (float)r, Group = groups[i] }),
        ];
        TrlFixtures.Close(
            "advantages of tokens",
            [.. c.GetProperty("advantages").Numbers().SelectMany(a => new[] { a, a })],
            [.. objective.Advantages(batch).SelectMany(a => a)],
            Single
        );
    }

    [Fact]
    public void A_truncated_completion_counts_in_its_groups_mean_and_has_no_loss()
    {
        var c = TrlFixtures.File(File).GetProperty("mask_truncated_completions");
        var (before, after) = (c.GetProperty("mask_before"), c.GetProperty("mask_after"));
        bool[] truncated = [.. c.GetProperty("is_truncated").Doubles().Select(x => x == 1)];
        int[] lengths = [.. before.Matrix().Select(row => (int)row.Sum())];
        double[] logprobs = [.. Enumerable.Range(0, lengths.Sum()).Select(i => -0.1 * (i + 1))];
        var objective = new GrpoObjective(
            new GrpoOptions
            {
                MaskTruncatedCompletions = true,
                LossType = GrpoLossType.Dapo,
                KlCoefficient = 0.1,
            },
            0.2
        );
        var batch = TrlFixtures.Batch(
            lengths,
            logprobs,
            [.. logprobs.Select(x => x - 0.3)],
            [.. lengths.Select((_, i) => i + 1.0)],
            truncated
        );
        var (_, gradient) = TrlFixtures.LossOf(objective, logprobs, batch, new Statistics());
        Assert.Equal(after.Masked(before).Select(x => x == 1), gradient.Select(g => g != 0));
        var advantages = objective.SequenceAdvantages([1, 2, 4, 6], [0, 0, 0, 0]);
        Assert.All(truncated.Zip(advantages), pair => Assert.NotEqual(0, pair.Second));
    }

    private const double Single = TrlFixtures.Single;

    private static StepTokens Step(double tokens) => new(tokens, tokens);

    private static GrpoOptions Options(JsonElement c, JsonElement file) =>
        new()
        {
            LossType = TrlFixtures.Member<GrpoLossType>(c.Word("loss_type")),
            ImportanceSamplingLevel = TrlFixtures.Member<RatioLevel>(c.Word("importance_sampling_level")),
            Delta = c.Number("delta"),
            KlCoefficient = c.Number("beta"),
            UseBiasCorrectionKl = c.Flag("use_bias_correction_kl"),
            OffPolicyMaskThreshold = c.Number("off_policy_mask_threshold"),
            MaskTruncatedCompletions = c.TryGetProperty("completion_mask", out _),
            // TRL makes a float32 tensor of its 1.05.
            SapoTemperatureNeg = 1.05f,
            MaxCompletionLength = (int)file.Number("max_completion_length"),
        };
}
