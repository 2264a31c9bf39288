using System.Text.Json;
using DfPO.Learner.Objectives;

namespace DfPO.Learner.Tests.Trl;

/// <summary>dpo.json and cpo_simpo_orpo.json through <see cref="DpoObjective"/>.</summary>
[Trait("Category", "Fixtures")]
public sealed class DpoFixtureTests
{
    private const string Dpo = "dpo.json";
    private const string Cpo = "cpo_simpo_orpo.json";

    private static readonly Dictionary<string, string> s_metrics = new()
    {
        ["rewards/chosen"] = "dpo/chosen_reward",
        ["rewards/rejected"] = "dpo/rejected_reward",
        ["rewards/accuracies"] = "dpo/accuracy",
        ["rewards/margins"] = "dpo/margin",
        ["logps/chosen"] = "dpo/chosen_logprob",
        ["logps/rejected"] = "dpo/rejected_logprob",
    };

    /// <summary>Of the whole softmax: the learner measures what it needs of them outside of the objective.</summary>
    private static readonly HashSet<string> s_elsewhere = ["entropy", "logits/chosen", "logits/rejected", "mean_token_accuracy"];

    public static TheoryData<string> Losses => TrlFixtures.Cases(Dpo, "cases");

    public static TheoryData<string> SequenceLosses => TrlFixtures.Cases(Cpo, "cases");

    [Theory]
    [MemberData(nameof(Losses))]
    public void Loss_gradient_and_metrics(string name)
    {
        var (file, c) = (TrlFixtures.File(Dpo), TrlFixtures.Case(name, Dpo, "cases"));
        // log_probs[t] is of token t + 1.
        double[][] mask = [.. file.GetProperty("completion_mask").Matrix().Select(row => row[1..])];
        int[] order = [.. Enumerable.Range(0, mask.Length).Select(i => i / 2 + i % 2 * mask.Length / 2)];
        double[][] Rows(JsonElement of) => [.. order.Select(i => of[i].Doubles().Where((_, t) => mask[i][t] == 1).ToArray())];
        double[] Field(string key) => [.. Rows(file.GetProperty(key)).SelectMany(row => row)];
        int[] lengths = [.. order.Select(i => (int)mask[i].Sum())];
        var single = c.TryGetProperty("dtype", out var dtype) && dtype.GetString() == "float32";
        var type = c.GetProperty("loss_type").EnumerateArray().Select(x => TrlFixtures.Member<DpoLossType>(x.GetString()!)).ToArray();
        var options = new DpoOptions
        {
            LossType = type,
            LossWeights = c.GetProperty("loss_weights") is { ValueKind: JsonValueKind.Array } weights ? weights.Doubles() : [],
            Beta = c.Number("beta"),
            // TRL's sigmoid does not read the smoothing; ours is then cDPO.
            LabelSmoothing = type.Contains(DpoLossType.Sigmoid) || type.Contains(DpoLossType.SigmoidNorm) ? 0 : c.Number("label_smoothing"),
            LdAlpha = c.Number("ld_alpha", 1),
            FDivergenceType = TrlFixtures.Member<DpoDivergence>(c.Word("f_divergence_type")),
            FAlphaDivergenceCoef = c.Number("f_alpha_divergence_coef"),
            DiscopopTau = c.Number("discopop_tau"),
        };
        var statistics = new Statistics();
        var batch = TrlFixtures.Batch(lengths, new double[lengths.Sum()], Field("ref_log_probs"), new double[lengths.Length]);
        var (loss, gradient) = TrlFixtures.LossOf(new DpoObjective(options), Field("log_probs"), batch, statistics);
        var tolerance =
            single ? TrlFixtures.Single
            : type.Contains(DpoLossType.ExoPair) ? 1e-6
            : TrlFixtures.Exact;
        TrlFixtures.Close("loss", c.Number("loss"), loss, tolerance);
        TrlFixtures.Close("gradient", [.. Rows(c.GetProperty("grad")).SelectMany(row => row)], gradient, tolerance);
        TrlFixtures.CloseMetrics(c, statistics, s_metrics, s_elsewhere, single ? TrlFixtures.Single : TrlFixtures.Exact);
    }

    /// <summary>
    /// The file's numbers are of sequences: sums of log-probabilities, or means where the loss takes means. Sequences of three tokens have
    /// them.
    /// </summary>
    [Theory]
    [MemberData(nameof(SequenceLosses))]
    public void Losses_without_a_reference(string name)
    {
        const int Tokens = 3;
        var (file, c) = (TrlFixtures.File(Cpo), TrlFixtures.Case(name, Cpo, "cases"));
        var kind = c.TryGetProperty("loss_type", out var given) ? given.GetString()! : "orpo";
        var type = kind == "simpo" ? DpoLossType.SigmoidNorm : TrlFixtures.Member<DpoLossType>(kind);
        var means = type is DpoLossType.SigmoidNorm or DpoLossType.Ipo or DpoLossType.Orpo;
        var options = new DpoOptions
        {
            LossType = [type],
            ReferenceFree = true,
            Beta = c.Number("beta"),
            LabelSmoothing = c.Number("label_smoothing"),
            TargetMargin = kind == "simpo" ? c.Number("simpo_gamma") : 0,
        };
        double[] chosen = file.GetProperty("chosen_logps").Doubles(),
            rejected = file.GetProperty("rejected_logps").Doubles();
        double[] logprobs =
        [
            .. chosen
                .Zip(rejected, (a, b) => new[] { a, b })
                .SelectMany(pair => pair)
                .SelectMany(x => Enumerable.Repeat(means ? x : x / Tokens, Tokens)),
        ];
        var batch = TrlFixtures.Batch(
            [.. Enumerable.Repeat(Tokens, 2 * chosen.Length)],
            new double[logprobs.Length],
            new double[logprobs.Length],
            new double[2 * chosen.Length]
        );
        var statistics = new Statistics();
        var (loss, gradient) = TrlFixtures.LossOf(new DpoObjective(options), logprobs, batch, statistics);

        var orpo = type == DpoLossType.Orpo;
        var tolerance = orpo ? TrlFixtures.Single : TrlFixtures.Exact;
        // TRL's odds-ratio losses are what its trainer subtracts.
        TrlFixtures.Close("loss", orpo ? -c.GetProperty("losses").Doubles().Average() : c.Number("loss"), loss, tolerance);
        double[] Gradient(string side) => c.GetProperty($"grad_{side}{(orpo ? "_of_minus_mean" : "")}").Doubles();
        double[] expected =
        [
            .. Gradient("chosen")
                .Zip(Gradient("rejected"), (a, b) => new[] { a, b })
                .SelectMany(pair => pair)
                .SelectMany(g => Enumerable.Repeat(means ? g / Tokens : g, Tokens)),
        ];
        TrlFixtures.Close("gradient", expected, gradient, tolerance);
        if (!means)
        {
            TrlFixtures.Close(
                "chosen rewards",
                c.GetProperty("chosen_rewards").Doubles().Average(),
                statistics.Means()["dpo/chosen_reward"],
                tolerance
            );
            TrlFixtures.Close(
                "rejected rewards",
                c.GetProperty("rejected_rewards").Doubles().Average(),
                statistics.Means()["dpo/rejected_reward"],
                tolerance
            );
        }
    }
}
