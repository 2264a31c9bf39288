using System.Globalization;
using DfPO.Actors.Experiments;
using DfPO.Models.Policies;
using DfPO.Tasks.Metrics;

namespace DfPO.Host.Reporting;

/// <summary>What a test says about a claim.</summary>
internal enum Claim
{
    /// <summary>The whole 95 % interval speaks for it.</summary>
    Shown,

    /// <summary>The interval leaves both open: the sample is too small.</summary>
    NotShown,

    /// <summary>The whole interval speaks against it.</summary>
    Refuted,
}

/// <summary>
/// What a run's figures say about its aim, reward up and perplexity flat, and no more than they can: both are tests, paired by prompt, at
/// the 95 % level.
/// </summary>
/// <param name="RewardRose">That the mean reward is higher than before.</param>
/// <param name="PerplexityStayed">That perplexity under the reference is within the margin of what it was, up or down: an equivalence test
/// (two one-sided tests, Schuirmann 1987), by the interval of its relative change.</param>
/// <param name="Sentence">The same in words, with the figures.</param>
internal sealed record Verdict(Claim RewardRose, Claim PerplexityStayed, string Sentence)
{
    // Normal quantiles of the interval, and of the probability of 80 % with which the sample that is asked for is to show what holds.
    private const double Level = 1.959964,
        Power = 0.841621;

    /// <summary>Compares two evaluations of the same prompts.</summary>
    /// <param name="before">The one.</param>
    /// <param name="after">The other.</param>
    /// <param name="margin">Relative change of perplexity that still counts as flat, above 0.</param>
    public static Verdict Of(EvaluationReport before, EvaluationReport after, double margin)
    {
        var name = after.Policy.Symbol();
        var (a, b) = (SampleClusters.Of(before.Samples), SampleClusters.Of(after.Samples));
        if (!a.AreMeasured || !b.AreMeasured)
            return new(
                Claim.NotShown,
                Claim.NotShown,
                $"Under {name}, nothing can be said: the run began with a version that did not keep the figures of each continuation."
            );
        return Of(name, FigureIntervals.Paired([a], [b]), before.Samples.Count, margin);
    }

    /// <summary>The verdict of paired figures.</summary>
    /// <param name="name">The decoding policy.</param>
    /// <param name="paired">The figures.</param>
    /// <param name="continuations">Continuations of each side.</param>
    /// <param name="margin">As above.</param>
    internal static Verdict Of(string name, IReadOnlyDictionary<string, PairedFigure> paired, int continuations, double margin)
    {
        var (reward, perplexity, kl) = (paired["reward"], paired["perplexity"], paired["kl"]);
        var rose = reward.Difference switch
        {
            { Low: > 0 } => Claim.Shown,
            { High: <= 0 } => Claim.Refuted,
            _ => Claim.NotShown,
        };
        var change = perplexity.Change;
        var stayed =
            !double.IsFinite(change.Estimate) ? Claim.NotShown
            : change.Low >= -margin && change.High <= margin ? Claim.Shown
            : change.Low > margin || change.High < -margin ? Claim.Refuted
            : Claim.NotShown;
        var percent = FormattableString.Invariant($"{100 * margin:0.##} %");
        var rewards =
            $"reward {rose switch { Claim.Shown => "rose", Claim.Refuted => "did not rise", _ => "may have risen or not" }}, {Figure(reward.A.Estimate)} -> {Figure(reward.B.Estimate)}"
            + $" ({Signed(reward.Difference.Estimate, "0.000")}, 95 % {Signed(reward.Difference.Low, "0.000")} to {Signed(reward.Difference.High, "0.000")})";
        var perplexities =
            $"perplexity within {percent}: {stayed switch { Claim.Shown => "shown", Claim.Refuted => "refuted", _ => "not shown" }}, {Figure(perplexity.A.Estimate)} -> {Figure(perplexity.B.Estimate)}"
            + $" ({Percent(perplexity.A.Estimate, perplexity.B.Estimate)}, 95 % {Signed(100 * change.Low)} to {Signed(100 * change.High)} %; {continuations} continuations of {perplexity.Prompts} prompts{(stayed == Claim.NotShown ? Wanted(change, continuations, perplexity.Prompts, margin) : "")})";
        return new(
            rose,
            stayed,
            $"Under {name}: {rewards}; {perplexities}; KL {Figure(kl.A.Estimate)} -> {Figure(kl.B.Estimate)} nats a token."
        );
    }

    /// <summary>
    /// Continuations that would show a change to be within a margin, if it is what it was seen to be, with a probability of 80 %; null
    /// where none would.
    /// </summary>
    /// <param name="change">The change that was seen, with its 95 % interval.</param>
    /// <param name="continuations">By so many, of as many prompts as there are; more of them are taken to be of more prompts.</param>
    /// <param name="margin">The margin.</param>
    public static double? Needed(Interval change, int continuations, double margin)
    {
        var room = margin - Math.Abs(change.Estimate);
        var error = (change.High - change.Low) / 2 / Level;
        return room > 0 && double.IsFinite(error) ? continuations * Math.Pow((Level + Power) * error / room, 2) : null;
    }

    /// <summary>Four significant digits.</summary>
    public static string Figure(double value) =>
        !double.IsFinite(value)
            ? "n/a"
            : Math.Abs(value) switch
            {
                0 => "0",
                >= 1000 => value.ToString("F0", CultureInfo.InvariantCulture),
                >= 100 => value.ToString("F1", CultureInfo.InvariantCulture),
                >= 10 => value.ToString("F2", CultureInfo.InvariantCulture),
                >= 0.1 => value.ToString("F3", CultureInfo.InvariantCulture),
                >= 0.0001 => value.ToString("F4", CultureInfo.InvariantCulture),
                _ => value.ToString("0.0E+0", CultureInfo.InvariantCulture),
            };

    /// <summary>
    /// Signed relative change, or a dash when there is nothing to compare with, or next to nothing: BLEU-4 without a match is a rounding
    /// error.
    /// </summary>
    public static string Percent(double before, double after) =>
        Change(before, after) is > -100 and < 100 and var change ? Signed(100 * change) + " %" : "-";

    /// <summary>A number with its sign.</summary>
    public static string Signed(double value, string format = "0.0") =>
        !double.IsFinite(value) ? "n/a" : value.ToString($"+{format};-{format};{format}", CultureInfo.InvariantCulture);

    private static string Wanted(Interval change, int continuations, int prompts, double margin) =>
        Needed(change, continuations, margin) is { } needed
            ? FormattableString.Invariant(
                $", about {Rounded(needed)} continuations of {Rounded(needed * prompts / continuations)} prompts would show it"
            )
            : ", and as it stands no number would show it";

    private static string Rounded(double value)
    {
        var scale = Math.Pow(10, Math.Max(0, Math.Floor(Math.Log10(value)) - 1));
        return (Math.Ceiling(value / scale) * scale).ToString("F0", CultureInfo.InvariantCulture);
    }

    private static double Change(double before, double after) => (after - before) / Math.Abs(before);
}
