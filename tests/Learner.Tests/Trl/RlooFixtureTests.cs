using DfPO.Learner.Objectives;

namespace DfPO.Learner.Tests.Trl;

/// <summary>rloo.json through <see cref="RlooObjective"/>.</summary>
[Trait("Category", "Fixtures")]
public sealed class RlooFixtureTests
{
    private const string File = "rloo.json";

    private static readonly Dictionary<string, string> s_metrics = new()
    {
        ["clip_ratio/low_mean"] = "policy/clip_low",
        ["clip_ratio/low_min"] = "policy/clip_low_min",
        ["clip_ratio/high_mean"] = "policy/clip_high",
        ["clip_ratio/high_max"] = "policy/clip_high_max",
        ["clip_ratio/region_mean"] = "policy/clip_region",
    };

    public static TheoryData<string> Losses => TrlFixtures.Cases(File, "cases");

    public static TheoryData<string> Advantages => TrlFixtures.Cases(File, "advantages");

    [Theory]
    [MemberData(nameof(Losses))]
    public void Loss_gradient_and_metrics(string name)
    {
        var (file, c) = (TrlFixtures.File(File), TrlFixtures.Case(name, File, "cases"));
        var mask = file.GetProperty("completion_mask");
        double[] Field(string key) => file.GetProperty(key).Masked(mask);
        int[] lengths = [.. mask.Matrix().Select(row => (int)row.Sum())];
        var batch = TrlFixtures.Batch(
            lengths,
            Field("old_log_probs"),
            Field("ref_log_probs"),
            file.GetProperty("loss_advantages").Doubles()
        );
        var statistics = new Statistics();
        var objective = new RlooObjective(new RlooOptions(), new ClipRange(c.Number("epsilon_low"), c.Number("epsilon_high")));
        var (loss, gradient) = TrlFixtures.LossOf(objective, Field("log_probs"), batch, statistics);
        TrlFixtures.Close("loss", c.Number("loss"), loss, TrlFixtures.Exact);
        TrlFixtures.Close("gradient", c.GetProperty("grad").Masked(mask), gradient, TrlFixtures.Exact);
        TrlFixtures.CloseMetrics(c, statistics, s_metrics, new HashSet<string> { "entropy" });
    }

    [Theory]
    [MemberData(nameof(Advantages))]
    public void Penalised_rewards_and_advantages(string name)
    {
        var (file, c) = (TrlFixtures.File(File), TrlFixtures.Case(name, File, "advantages"));
        var mask = file.GetProperty("completion_mask");
        double[][] Rows(string key) =>
            [.. file.GetProperty(key).Matrix().Zip(mask.Matrix(), (row, m) => row.Where((_, t) => m[t] == 1).ToArray())];
        var (old, reference) = (Rows("old_log_probs"), Rows("ref_log_probs"));
        double[] logRatios = [.. old.Zip(reference, (p, q) => p.Zip(q, (x, y) => x - y).Sum())];
        // What a continuation's reward is, several functions of it being weighed and some of them silent, is decided before the objective
        // sees it.
        double[] weights = c.GetProperty("reward_weights").Doubles();
        double[] rewards =
        [
            .. c.GetProperty("rewards_per_func")
                .EnumerateArray()
                .Select(row => row.Numbers().Zip(weights, (r, w) => r * w).ToArray())
                .Select(row => row.All(double.IsNaN) ? double.NaN : row.Where(r => !double.IsNaN(r)).Sum()),
        ];
        var size = (int)c.Number("num_generations");
        int[] groups = [.. rewards.Select((_, i) => i / size)];
        var range = c.GetProperty("reward_clip_range");
        var objective = new RlooObjective(
            new RlooOptions
            {
                KlCoefficient = c.Number("beta"),
                NormalizeAdvantages = c.Flag("normalize_advantages"),
                RewardClipRange = range.ValueKind == System.Text.Json.JsonValueKind.Array ? range.Doubles() : [],
            },
            0.2
        );
        var tolerance = c.Flag("normalize_advantages") ? TrlFixtures.Normalised : TrlFixtures.Exact;
        TrlFixtures.Close(
            "rewards after KL",
            c.GetProperty("rewards_after_kl").Numbers(),
            objective.Penalised(rewards, logRatios),
            TrlFixtures.Exact
        );
        TrlFixtures.Close(
            "advantages",
            c.GetProperty("advantages").Numbers(),
            objective.SequenceAdvantages(rewards, logRatios, groups),
            tolerance
        );
        // As the learner asks for them, in float32.
        Trajectory[] batch =
        [
            .. rewards.Select(
                (r, i) =>
                    Trajectory.Demonstrated([1], new int[old[i].Length]) with
                    {
                        Reward = (float)r,
                        Group = groups[i],
                        Logprobs = old[i].Floats(),
                        ReferenceLogprobs = reference[i].Floats(),
                    }
            ),
        ];
        TrlFixtures.Close(
            "advantages of tokens",
            c.GetProperty("advantages").Numbers(),
            [.. objective.Advantages(batch).Select(a => a[^1])],
            TrlFixtures.Single
        );
    }
}
