using System.Globalization;
using DfPO.Actors.Experiments;
using DfPO.Host.Runs;

namespace DfPO.Host.Reporting;

/// <summary>What a run's figures say about its aim: reward up, perplexity flat.</summary>
/// <param name="RewardRose">Whether the mean reward is higher than before.</param>
/// <param name="PerplexityStayed">Whether perplexity under the reference is within <see cref="Tolerance"/> of what it was, up or down.</param>
/// <param name="Sentence">The same in words, with the figures.</param>
internal sealed record Verdict(bool RewardRose, bool PerplexityStayed, string Sentence)
{
    /// <summary>Relative change of perplexity that still counts as flat.</summary>
    public const double Tolerance = 0.05;

    /// <summary>Compares two evaluations of the same prompts.</summary>
    public static Verdict Of(EvaluationReport before, EvaluationReport after)
    {
        var (b, a) = (before.Metrics, after.Metrics);
        var rose = a.Reward > b.Reward;
        var stayed = Math.Abs(Change(b.Perplexity, a.Perplexity)) <= Tolerance;
        var reward = $"reward {(rose ? "rose" : "did not rise")} ({Figure(b.Reward)} -> {Figure(a.Reward)}, {Percent(b.Reward, a.Reward)})";
        var perplexity = $"perplexity {(stayed ? "stayed" : "did not stay")} within 5 % ({Figure(b.Perplexity)} -> {Figure(a.Perplexity)}, {Percent(b.Perplexity, a.Perplexity)})";
        return new(rose, stayed, $"Under {MetricNames.Symbol(after.Policy)}, {reward} {(rose == stayed ? "and" : "but")} {perplexity}.");
    }

    /// <summary>Four significant digits.</summary>
    public static string Figure(double value) => !double.IsFinite(value) ? "n/a" : Math.Abs(value) switch
    {
        0 => "0",
        >= 1000 => value.ToString("F0", CultureInfo.InvariantCulture),
        >= 100 => value.ToString("F1", CultureInfo.InvariantCulture),
        >= 10 => value.ToString("F2", CultureInfo.InvariantCulture),
        >= 0.1 => value.ToString("F3", CultureInfo.InvariantCulture),
        >= 0.0001 => value.ToString("F4", CultureInfo.InvariantCulture),
        _ => value.ToString("0.0E+0", CultureInfo.InvariantCulture),
    };

    /// <summary>Signed relative change, or a dash when there is nothing to compare with, or next to nothing: BLEU-4 without a match is a rounding error.</summary>
    public static string Percent(double before, double after) => Change(before, after) is > -100 and < 100 and var change
        ? (100 * change).ToString("+0.0;-0.0;0.0", CultureInfo.InvariantCulture) + " %"
        : "-";

    private static double Change(double before, double after) => (after - before) / Math.Abs(before);
}
