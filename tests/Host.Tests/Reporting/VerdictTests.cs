using DfPO.Host.Reporting;
using DfPO.Models.Policies;
using DfPO.Tasks.Metrics;

namespace DfPO.Host.Tests.Reporting;

public sealed class VerdictTests
{
    private static Verdict Of(Interval reward, Interval change, int continuations = 256, double margin = 0.05)
    {
        PairedFigure Figure(double a, Interval difference, Interval relative) =>
            new(Interval.Of(a), Interval.Of(a + difference.Estimate), difference, relative) { Prompts = 64 };
        return Verdict.Of(
            "pi-",
            new Dictionary<string, PairedFigure>
            {
                ["reward"] = Figure(0.5, reward, reward),
                ["perplexity"] = Figure(50, new(50 * change.Estimate, 50 * change.Low, 50 * change.High), change),
                ["kl"] = Figure(0, new(0.37, 0.3, 0.4), Interval.Of(double.NaN)),
            },
            continuations,
            margin
        );
    }

    [Theory]
    [InlineData(0.02, -0.01, 0.049, Claim.Shown)]
    [InlineData(-0.02, -0.049, 0.01, Claim.Shown)]
    [InlineData(0.02, -0.01, 0.051, Claim.NotShown)]
    [InlineData(0, -0.2, 0.2, Claim.NotShown)]
    [InlineData(0.04, -0.01, 0.09, Claim.NotShown)]
    [InlineData(0.1, 0.04, 0.16, Claim.NotShown)]
    [InlineData(0.1, 0.051, 0.15, Claim.Refuted)]
    [InlineData(-0.1, -0.15, -0.051, Claim.Refuted)]
    [InlineData(double.NaN, double.NaN, double.NaN, Claim.NotShown)]
    public void Perplexity_within_the_margin_is_shown_not_shown_or_refuted_by_the_interval(
        double estimate,
        double low,
        double high,
        object claim
    ) => Assert.Equal((Claim)claim, Of(new(0.1, 0.05, 0.15), new(estimate, low, high)).PerplexityStayed);

    [Theory]
    [InlineData(0.1, 0.01, 0.2, Claim.Shown, "reward rose, 0.500 -> 0.600 (+0.100, 95 % +0.010 to +0.200)")]
    [InlineData(0.1, -0.01, 0.2, Claim.NotShown, "reward may have risen or not, ")]
    [InlineData(-0.1, -0.2, -0.05, Claim.Refuted, "reward did not rise, 0.500 -> 0.400 (-0.100, 95 % -0.200 to -0.050)")]
    public void A_rise_is_told_where_chance_does_not_explain_it(double estimate, double low, double high, object claim, string words)
    {
        var verdict = Of(new(estimate, low, high), new(0, -0.01, 0.01));
        Assert.Equal((Claim)claim, verdict.RewardRose);
        Assert.Contains(words, verdict.Sentence);
    }

    [Fact]
    public void What_is_not_shown_comes_with_the_number_that_would_show_it()
    {
        // Half-width 8 % at 256: standard error 4.08 %; room 5 % - 1 % = 4 %; (2.8016 * 4.08 / 4)^2 = 8.17 times as many.
        var change = new Interval(0.01, -0.07, 0.09);
        Assert.Equal(8.175 * 256, Verdict.Needed(change, 256, 0.05)!.Value, 1.0);
        Assert.Contains(
            "perplexity within 5 %: not shown, 50.00 -> 50.50 (+1.0 %, 95 % -7.0 to +9.0 %; 256 continuations of 64 prompts, about 2100 continuations of 530 prompts would show it)",
            Of(new(0.1, 0.05, 0.15), change).Sentence
        );
        // Four times as many have half the width: then the rest follows.
        Assert.Equal(Verdict.Needed(change, 256, 0.05)!.Value, Verdict.Needed(new(0.01, -0.03, 0.05), 1024, 0.05)!.Value, 1.0);
        Assert.Null(Verdict.Needed(new(0.06, -0.02, 0.14), 256, 0.05));
        Assert.Contains("as it stands no number would show it", Of(new(0.1, 0.05, 0.15), new(0.06, -0.02, 0.14)).Sentence);
        Assert.Contains("within 10 %: not shown", Of(new(0.1, 0.05, 0.15), new(0.06, -0.02, 0.14), margin: 0.1).Sentence);
    }

    [Fact]
    public void It_is_paired_by_prompt_and_says_nothing_of_runs_that_kept_no_figures()
    {
        var (before, after) = (
            Reports.Evaluation("test", DecodingPolicy.Policy, 0, 0.5, 30),
            Reports.Evaluation("test", DecodingPolicy.Negative, 0, 0.6, 30)
        );
        // The same prompts with the same spread: the pair has none.
        Assert.Equal(
            (Claim.Shown, Claim.Shown),
            (Verdict.Of(before, after, 0.05).RewardRose, Verdict.Of(before, after, 0.05).PerplexityStayed)
        );
        var old = after with
        {
            Samples = [.. after.Samples.Select(sample => new Sample(sample.PromptId, sample.Prompt, sample.Continuation, sample.Reward))],
        };
        Assert.Equal(Claim.NotShown, Verdict.Of(before, old, 0.05).PerplexityStayed);
        Assert.Contains("did not keep the figures", Verdict.Of(before, old, 0.05).Sentence);
    }
}
