using DfPO.Models;
using DfPO.Tasks.Metrics;

namespace DfPO.Tasks.Tests.Metrics;

public sealed class FiguresTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void WindowsCoverEveryTokenOnceAsATarget()
    {
        Assert.Equal([new PerplexityWindow(0, 512, 512), new(0, 1024, 512), new(512, 1300, 276)], SlidingPerplexity.Windows(1300, 1024));
        foreach (var (tokens, positions, stride) in new[] { (1, 8, 3), (8, 8, 8), (9, 8, 8), (23, 8, 3), (100, 16, 5) })
        {
            var windows = SlidingPerplexity.Windows(tokens, positions, stride).ToArray();
            Assert.Equal(tokens, windows.Sum(w => w.Targets));
            Assert.Equal(Enumerable.Range(0, tokens), windows.SelectMany(w => Enumerable.Range(w.End - w.Targets, w.Targets)));
            Assert.All(windows, w => Assert.InRange(w.End - w.Begin, 1, positions));
        }
        Assert.Throws<ArgumentOutOfRangeException>(() => SlidingPerplexity.Windows(10, 4, 5).ToArray());
    }

    [Fact]
    public void PerplexityWeighsEachWindowByItsTargets()
    {
        var seen = new List<(int First, int Length, int Targets)>();
        int[] tokens = [.. Enumerable.Range(0, 10)];

        var perplexity = SlidingPerplexity.Of(
            tokens,
            maxLength: 6,
            (window, targets) =>
            {
                seen.Add((window.Span[0], window.Length, targets));
                return targets == 4 ? 1 : 3;
            },
            stride: 4
        );

        Assert.Equal([(0, 4, 4), (2, 6, 4), (6, 4, 2)], seen);
        Assert.Equal(Math.Exp((4 * 1 + 4 * 1 + 2 * 3) / 10.0), perplexity, 12);
    }

    [Fact]
    public void AnIntervalHoldsTheMeanAndShrinksWithTheSquareRootOfTheItems()
    {
        double[] values = [.. Enumerable.Range(0, 400).Select(i => CounterRandom.Uniform(3, (ulong)i))];

        var interval = Bootstrap.Mean(values, seed: 1);

        Assert.Equal(values.Average(), interval.Estimate, 12);
        // Uniform in [0, 1): standard error sqrt(1/12/400) = .0144, times 1.96 on both sides.
        Assert.InRange(interval.High - interval.Low, 0.045, 0.068);
        Assert.InRange(interval.Estimate, interval.Low, interval.High);
        Assert.Equal(interval, Bootstrap.Mean(values, seed: 1));
        Assert.NotEqual(interval, Bootstrap.Mean(values, seed: 2));
        Assert.Equal(new Interval(2, 2, 2), Bootstrap.Mean([2, 2, 2]));
    }

    [Fact]
    public void IntervalsHoldTheTruthAboutAsOftenAsTheyClaim()
    {
        var hits = Enumerable
            .Range(0, 200)
            .Count(trial =>
            {
                double[] values = [.. Enumerable.Range(0, 60).Select(i => CounterRandom.Uniform(17, (ulong)(trial * 60 + i)))];
                var interval = Bootstrap.Mean(values, seed: (ulong)trial, level: 0.9, resamples: 300);
                return interval.Low <= 0.5 && 0.5 <= interval.High;
            });

        Assert.InRange(hits, 165, 195);
    }

    [Fact]
    public void APairedDifferenceSeesWhatTwoMeansDoNot()
    {
        double[] difficulty = [.. Enumerable.Range(0, 100).Select(i => 10 * CounterRandom.Uniform(5, (ulong)i))];
        double[] better = [.. difficulty.Select((d, i) => d + 0.1 + 0.1 * CounterRandom.Uniform(6, (ulong)i))];

        Assert.True(Bootstrap.Mean([.. better.Zip(difficulty, (a, b) => a - b)]).ExcludesZero);
        Assert.True(Bootstrap.Mean(better).Low < Bootstrap.Mean(difficulty).High);
        Assert.Equal("metrics/empty", Assert.Throws<DfpoException>(() => Bootstrap.Mean([])).Code);
    }

    [Fact]
    public void ToxicityIsCountedByPrompt()
    {
        var figures = ToxicityFigures.Of([
            [0.1, 0.9],
            [0.5, 0.3],
            [0.6, 0.7],
        ]);

        Assert.Equal(3.1 / 6, figures.Mean, 12);
        Assert.Equal((0.9 + 0.5 + 0.7) / 3, figures.ExpectedMaximum, 12);
        // A score of exactly the threshold is not over it.
        Assert.Equal(2 / 3.0, figures.Probability, 12);
        Assert.Equal("metrics/empty", Assert.Throws<DfpoException>(() => ToxicityFigures.Of([])).Code);
        Assert.Equal(
            "metrics/empty",
            Assert
                .Throws<DfpoException>(() =>
                    ToxicityFigures.Of([
                        [0.1],
                        [],
                    ])
                )
                .Code
        );
    }

    [Fact]
    public void CoverageComparesBaseForms()
    {
        var wordNet = WordNet.Load(TinyWordNet.Write(_folder));

        Assert.Equal(1, new ConceptCoverage().Score("Two dogs were catching a Frisbee.", ["dog", "catch", "frisbee"]));
        Assert.Equal(0.5, new ConceptCoverage().Score("The man ran.", ["man", "run"]));
        Assert.Equal(1, new ConceptCoverage(wordNet).Score("The man ran.", ["man", "run"]));
        Assert.Equal(0, new ConceptCoverage().Score("", ["man"]));
        Assert.Equal(1, new ConceptCoverage().Score("", []));
    }
}
