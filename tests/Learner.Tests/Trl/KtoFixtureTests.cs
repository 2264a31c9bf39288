using System.Text.Json;
using DfPO.Learner.Objectives;

namespace DfPO.Learner.Tests.Trl;

/// <summary>kto.json through <see cref="KtoObjective"/>.</summary>
[Trait("Category", "Fixtures")]
public sealed class KtoFixtureTests
{
    private const string Kto = "kto.json";

    private static readonly Dictionary<string, string> s_metrics = new()
    {
        ["kl"] = "kto/kl",
        ["rewards/chosen"] = "kto/desirable_reward",
        ["rewards/rejected"] = "kto/undesirable_reward",
        ["logps/chosen"] = "kto/desirable_logprob",
        ["logps/rejected"] = "kto/undesirable_logprob",
    };

    /// <summary>Of the whole softmax, or the difference of two others.</summary>
    private static readonly HashSet<string> s_elsewhere = ["entropy", "logits/chosen", "logits/rejected", "rewards/margins"];

    public static TheoryData<string> Losses => TrlFixtures.Cases(Kto, "cases");

    [Theory]
    [MemberData(nameof(Losses))]
    public void Loss_gradient_and_metrics(string name)
    {
        var (file, c) = (TrlFixtures.File(Kto), TrlFixtures.Case(name, Kto, "cases"));
        // log_probs[t] is of token t + 1.
        double[][] mask = [.. file.GetProperty("completion_mask").Matrix().Select(row => row[1..])];
        double[] Rows(JsonElement of) => [.. mask.SelectMany((row, i) => of[i].Doubles().Where((_, t) => row[t] == 1))];
        int[] lengths = [.. mask.Select(row => (int)row.Sum())];
        double[] labels = [.. file.GetProperty("label").Doubles().Select(label => label == 1 ? 1.0 : -1)];
        var options = new KtoOptions
        {
            LossType = TrlFixtures.Member<KtoLossType>(c.Word("loss_type")),
            Beta = c.Number("beta"),
            DesirableWeight = c.Number("desirable_weight"),
            UndesirableWeight = c.Number("undesirable_weight"),
        };
        var batch = TrlFixtures.Batch(lengths, new double[lengths.Sum()], Rows(file.GetProperty("ref_log_probs")), labels) with
        {
            MismatchedLogRatios = c.GetProperty("ref_KL_logps") is { ValueKind: JsonValueKind.Array } theirs
                ? [.. file.GetProperty("KL_logps").Doubles().Zip(theirs.Doubles(), (ours, reference) => ours - reference)]
                : null,
        };
        var statistics = new Statistics();
        var (loss, gradient) = TrlFixtures.LossOf(new KtoObjective(options), Rows(file.GetProperty("log_probs")), batch, statistics);
        TrlFixtures.Close("loss", c.Number("loss"), loss, TrlFixtures.Exact);
        TrlFixtures.Close("gradient", Rows(c.GetProperty("grad")), gradient, TrlFixtures.Exact);
        TrlFixtures.CloseMetrics(c, statistics, s_metrics, s_elsewhere, TrlFixtures.Exact);
        var means = statistics.Means();
        TrlFixtures.Close(
            "margins",
            c.GetProperty("metrics").Number("rewards/margins"),
            means["kto/desirable_reward"] - means["kto/undesirable_reward"],
            TrlFixtures.Exact
        );
    }
}
