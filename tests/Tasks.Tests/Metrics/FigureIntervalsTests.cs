using DfPO.Models;
using DfPO.Tasks.Metrics;

namespace DfPO.Tasks.Tests.Metrics;

public sealed class FigureIntervalsTests
{
    private static double Noise(ulong stream, int i) => 2 * CounterRandom.Uniform(stream, (ulong)i) - 1;

    /// <summary>Samples whose rewards and cross-entropies have a part that is the prompt's and a part of their own.</summary>
    private static Sample[] Samples(ulong seed, int prompts, int each, double shift = 0, double prompt = 0.3, double own = 0.3) =>
        [
            .. from p in Enumerable.Range(0, prompts)
            from s in Enumerable.Range(0, each)
            let noise = prompt * Noise(1, p) + own * Noise(seed, p * each + s)
            select new Sample(
                $"p{p}",
                "",
                $"w{(int)(60 * Math.Pow(CounterRandom.Uniform(seed + 90, (ulong)(p * each + s)), 2))} x{p % 9} film",
                0.5 + shift + noise
            )
            {
                Tokens = 10,
                DrawnCrossEntropy = 10 * (4 + 2 * Noise(seed + 50, p * each + s)),
                PolicyKl = 1,
                Decoding = new(10 * (4 + shift + noise), 10 * 0.25),
            },
        ];

    [Fact]
    public void EveryFigureIsInsideItsIntervalAlsoOneThatCountsDifferentThings()
    {
        var samples = Samples(2, 30, 4);
        var metrics = GenerationMetrics.Compute(samples);
        var intervals = FigureIntervals.Of(samples);
        Assert.Equal(GenerationMetrics.Figures.Select(figure => figure.Name), intervals.Keys);
        foreach (var (name, of) in GenerationMetrics.Figures)
        {
            Assert.Equal(of(metrics), intervals[name].Estimate, 12);
            Assert.InRange(of(metrics), intervals[name].Low - 1e-12, intervals[name].High + 1e-12);
        }
        Assert.True(intervals["distinct_2"].Low < intervals["distinct_2"].High);
        // The exact cross-entropy is steadier than that of the drawn tokens.
        Assert.True(
            intervals["drawn_perplexity"].High - intervals["drawn_perplexity"].Low
                > 1.5 * (intervals["perplexity"].High - intervals["perplexity"].Low)
        );
    }

    [Fact]
    public void PromptsAreResampledAndNotTheirSamples()
    {
        // All samples of a prompt are alike: sixteen of them say no more than one.
        var (one, sixteen) = (
            FigureIntervals.Of(Samples(2, 30, 1, own: 0))["reward"],
            FigureIntervals.Of(Samples(2, 30, 16, own: 0))["reward"]
        );
        Assert.Equal(one.High - one.Low, sixteen.High - sixteen.Low, 1e-9);
        var free = FigureIntervals.Of(Samples(2, 30, 16, prompt: 0))["reward"];
        Assert.True(free.High - free.Low < (one.High - one.Low) / 2);
    }

    [Fact]
    public void IntervalsOfPerplexityHoldTheTruthAboutAsOftenAsTheyClaim()
    {
        // exp(4) is the truth: the noise is of the exponent's mean.
        var hits = Enumerable
            .Range(0, 100)
            .Count(trial =>
                FigureIntervals.Of([.. Samples((ulong)(100 + 2 * trial), 24, 2, prompt: 0)])["perplexity"] is var interval
                && interval.Low <= Math.Exp(4)
                && Math.Exp(4) <= interval.High
            );
        Assert.InRange(hits, 88, 100);
    }

    [Fact]
    public void APairedComparisonLeavesOutWhatThePromptsDiffer()
    {
        var (a, b) = (
            SampleClusters.Of(Samples(2, 40, 2, prompt: 1, own: 0.05)),
            SampleClusters.Of(Samples(3, 40, 2, shift: 0.1, prompt: 1, own: 0.05))
        );
        var paired = FigureIntervals.Paired([a], [b]);
        Assert.Equal(40, paired["reward"].Prompts);
        Assert.Equal(0.1, paired["reward"].Difference.Estimate, 0.03);
        Assert.True(paired["reward"].Difference.ExcludesZero);
        Assert.True(paired["perplexity"].Change.Low > 0.05 && paired["perplexity"].Change.High < 0.16, $"{paired["perplexity"].Change}");
        Assert.False(FigureIntervals.Paired([a], [a])["perplexity"].Difference.ExcludesZero);
        // Each by itself is far too unsure to tell.
        Assert.True(paired["reward"].A.High > paired["reward"].B.Low);
    }

    [Fact]
    public void OrderOfPromptsAndPromptsOfOneSideAloneDoNotMatter()
    {
        var samples = Samples(2, 20, 2);
        var other = Samples(3, 20, 2, shift: 0.2);
        var paired = FigureIntervals.Paired(
            [SampleClusters.Of(samples)],
            [SampleClusters.Of([.. other.Reverse(), new Sample("stranger", "", "x", 9) { Tokens = 1 }])]
        );
        Assert.Equal(20, paired["reward"].Prompts);
        Assert.Equal(other.Average(sample => sample.Reward), paired["reward"].B.Estimate, 9);
        Assert.Equal(
            "metrics/pairs",
            Assert
                .Throws<DfpoException>(() =>
                    FigureIntervals.Paired([SampleClusters.Of(samples)], [SampleClusters.Of([new("stranger", "", "x", 9) { Tokens = 1 }])])
                )
                .Code
        );
    }

    [Fact]
    public void SeedsOfTrainingAreChanceToo()
    {
        // Three runs whose means lie far apart: what the prompts alone say is too sure.
        SampleClusters[] Runs(double scale) =>
            [
                .. new[] { -1.0, 0, 1 }.Select(
                    (sign, i) => SampleClusters.Of(Samples((ulong)(2 + i), 40, 2, shift: sign * scale, prompt: 0.05, own: 0.05))
                ),
            ];
        var (same, apart) = (FigureIntervals.Of(Runs(0))["reward"], FigureIntervals.Of(Runs(0.3))["reward"]);
        Assert.True(apart.High - apart.Low > 5 * (same.High - same.Low));
        Assert.Equal(same.Estimate, apart.Estimate, 1e-9);
        var against = SampleClusters.Of(Samples(9, 40, 2, shift: 0.1, prompt: 0.05, own: 0.05));
        Assert.False(FigureIntervals.Paired(Runs(0.3), [against])["reward"].Difference.ExcludesZero);
        Assert.True(FigureIntervals.Paired(Runs(0), [against])["reward"].Difference.ExcludesZero);
    }

    [Fact]
    public void TheIntervalOfDistinctWordsIsAsWideAsTheirSpread()
    {
        static Sample[] Draw(int trial) =>
            [
                .. Enumerable
                    .Range(0, 40)
                    .Select(p => new Sample(
                        $"p{p}",
                        "",
                        string.Join(
                            ' ',
                            Enumerable
                                .Range(0, 20)
                                .Select(w =>
                                    $"w{(int)(400 * Math.Pow(CounterRandom.Uniform((ulong)(1000 + trial), (ulong)(p * 20 + w)), 2))}"
                                )
                        ),
                        0
                    )
                    {
                        Tokens = 20,
                        Decoding = new(1, 1),
                    }),
            ];
        double[] values = [.. Enumerable.Range(0, 100).Select(trial => GenerationMetrics.Compute(Draw(trial)).Distinct1)];
        var spread = Math.Sqrt(values.Sum(value => Math.Pow(value - values.Average(), 2)) / (values.Length - 1));
        var half = Enumerable
            .Range(0, 10)
            .Average(trial =>
                FigureIntervals.Of(Draw(trial))["distinct_1"] is var interval ? (interval.High - interval.Low) / 2 / 1.96 : 0
            );
        Assert.InRange(half, 0.7 * spread, 1.5 * spread);
    }
}
