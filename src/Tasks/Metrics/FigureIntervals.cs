using DfPO.Models;

namespace DfPO.Tasks.Metrics;

/// <summary>
/// How sure the figures of <see cref="GenerationMetrics"/> are: intervals by resampling prompts with all their samples, and runs (seeds)
/// where there are several.
/// </summary>
public static class FigureIntervals
{
    /// <summary>Intervals of one evaluation's figures, by name.</summary>
    public static IReadOnlyDictionary<string, Interval> Of(IReadOnlyList<Sample> samples) => Of([SampleClusters.Of(samples)]);

    /// <summary>Intervals of the means of several runs' figures, by name.</summary>
    /// <param name="runs">Each run's samples of the same prompts; at least one run. Prompts that not all of them have are left out.</param>
    public static IReadOnlyDictionary<string, Interval> Of(IReadOnlyList<SampleClusters> runs)
    {
        var side = new Side(runs, Common(runs));
        return Named(Bootstrap.Of([side.Prompts, side.Runs], items => side.Figures(items[0], items[1])));
    }

    /// <summary>How the figures of two sides differ on the same prompts, by name.</summary>
    /// <param name="a">Runs of one side, or a single evaluation.</param>
    /// <param name="b">Of the other.</param>
    /// <exception cref="DfpoException"><c>metrics/pairs</c>: they have no prompt in common.</exception>
    public static IReadOnlyDictionary<string, PairedFigure> Paired(IReadOnlyList<SampleClusters> a, IReadOnlyList<SampleClusters> b)
    {
        var prompts = Common([.. a, .. b]);
        if (prompts.Length == 0)
            throw new DfpoException("metrics/pairs", "The two sides have no prompt in common: compare evaluations of the same prompts.");
        var (left, right) = (new Side(a, prompts), new Side(b, prompts));
        var intervals = Bootstrap.Of([prompts.Length, left.Runs, right.Runs], items =>
        {
            var (x, y) = (left.Figures(items[0], items[1]), right.Figures(items[0], items[2]));
            return [.. x, .. y, .. x.Zip(y, (p, q) => q - p), .. x.Zip(y, (p, q) => (q - p) / Math.Abs(p))];
        });
        var count = GenerationMetrics.Figures.Count;
        return GenerationMetrics
            .Figures.Index()
            .ToDictionary(
                figure => figure.Item.Name,
                figure => new PairedFigure(
                    intervals[figure.Index],
                    intervals[count + figure.Index],
                    intervals[2 * count + figure.Index],
                    intervals[3 * count + figure.Index]
                )
                {
                    Prompts = prompts.Length,
                }
            );
    }

    private static string[] Common(IReadOnlyList<SampleClusters> runs) =>
        [.. runs[0].Prompts.Where(prompt => runs.All(run => run.Has(prompt)))];

    private static IReadOnlyDictionary<string, Interval> Named(Interval[] intervals) =>
        GenerationMetrics.Figures.Zip(intervals).ToDictionary(figure => figure.First.Name, figure => figure.Second);

    /// <summary>Runs whose figures are averaged.</summary>
    private sealed class Side(IReadOnlyList<SampleClusters> runs, string[] prompts)
    {
        private readonly SampleClusters[] _runs = [.. runs.Select(run => run.Only(prompts))];

        public int Prompts => prompts.Length;

        public int Runs => _runs.Length;

        public double[] Figures(int[] chosen, int[] counted)
        {
            var sums = new double[GenerationMetrics.Figures.Count];
            foreach (var run in counted.CountBy(run => run))
            {
                var metrics = _runs[run.Key].Metrics(chosen);
                foreach (var (i, figure) in GenerationMetrics.Figures.Index())
                    sums[i] += run.Value * figure.Of(metrics) / counted.Length;
            }
            return sums;
        }
    }
}

/// <summary>A figure of two sides on the same prompts.</summary>
/// <param name="A">The first side's.</param>
/// <param name="B">The second side's.</param>
/// <param name="Difference">B - A.</param>
/// <param name="Change">(B - A) / |A|.</param>
public sealed record PairedFigure(Interval A, Interval B, Interval Difference, Interval Change)
{
    /// <summary>Prompts that both sides continued.</summary>
    public int Prompts { get; init; }
}
