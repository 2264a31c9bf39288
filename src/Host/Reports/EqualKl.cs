using DfPO.Host.Reporting;
using DfPO.Host.Runs;
using DfPO.Models;
using DfPO.Tasks.Metrics;

namespace DfPO.Host.Reports;

/// <summary>
/// What settings reach at the end, against what a rival's curve has at the same KL: a reward says little where the texts have drifted
/// further.
/// </summary>
internal static class EqualKl
{
    /// <summary>A setting under one decoding policy, its runs paired with the rival's of the same seed.</summary>
    /// <param name="Group">The setting.</param>
    /// <param name="Policy">The decoding policy.</param>
    /// <param name="Ends">The last validation of each run.</param>
    /// <param name="Differences">Reward beyond the rival's, a pair each.</param>
    /// <param name="PerplexityChange">Change against the rival's, %.</param>
    /// <param name="EntropyChange">Difference from the rival's, nats.</param>
    internal sealed record Row(
        string Group,
        string Policy,
        IReadOnlyList<TrainingCurve.Point> Ends,
        IReadOnlyList<double> Differences,
        Interval PerplexityChange,
        Interval EntropyChange
    )
    {
        /// <summary>Mean difference of the reward with its 95 % t interval over the pairs; NaN without a pair.</summary>
        public Interval Difference => MeanOf(Differences);

        /// <summary>The row in words, as <see cref="Columns"/> name them.</summary>
        public IReadOnlyList<string> Cells() =>
            [
                Group,
                MetricNames.Symbol(Policy),
                $"{Ends.Count}",
                Mean(end => end.Kl),
                Mean(end => end.Reward),
                Mean(end => end.Perplexity),
                Mean(end => end.Entropy),
                $"{Differences.Count}",
                .. Differences.Count == 0
                    ? ["", "", "", ""]
                    : (string[])
                        [
                            Cell(Difference, "0.000"),
                            Verdict.Figure(PValue),
                            $"{Cell(PerplexityChange, "0.0")} %",
                            Cell(EntropyChange, "0.000"),
                        ],
            ];

        private string Mean(Func<TrainingCurve.Point, double> of) =>
            StudentT.Mean([.. Ends.Select(of)]) is var mean
                ? $"{Verdict.Figure(mean.Estimate)} {FigureTable.Brackets(mean, Verdict.Figure)}".TrimEnd()
                : "";

        private static string Cell(Interval value, string format) =>
            $"{Verdict.Signed(value.Estimate, format)} [{Verdict.Signed(value.Low, format)}, {Verdict.Signed(value.High, format)}]";

        /// <summary>The sign-flip test's p-value, adjusted by Holm over all rows; NaN without a pair.</summary>
        public double PValue { get; init; } = double.NaN;
    }

    /// <summary>Titles of a row's cells.</summary>
    public static IReadOnlyList<string> Columns { get; } =
    [
        "setting",
        "policy",
        "runs",
        "KL",
        "reward",
        "perplexity",
        "entropy",
        "pairs",
        "reward beyond",
        "p",
        "perplexity beyond",
        "entropy beyond",
    ];

    /// <summary>
    /// Compares every other setting with the rival's <c>pi_theta</c>. The rival has rows of its own, without a comparison.
    /// </summary>
    /// <param name="runs">All runs; those without a result are left out.</param>
    /// <param name="rival">The rival's setting.</param>
    /// <exception cref="DfpoException"><c>report/input</c>: there is no such setting.</exception>
    public static IReadOnlyList<Row> Of(IReadOnlyList<ReportRun> runs, string rival)
    {
        ReportRun[] finished = [.. runs.Where(run => run.Run.Result is not null)];
        var curves = finished
            .Where(run => run.Group == rival)
            .ToLookup(run => run.Run.Setting("seed"), run => TrainingCurve.Of(run, "policy"));
        if (curves.Count == 0)
            throw new DfpoException(
                "report/input",
                $"No finished run is of the setting '{rival}': give one of {string.Join(", ", finished.Select(run => $"'{run.Group}'").Distinct())}."
            );
        var none = Enumerable.Empty<TrainingCurve>().ToLookup(_ => "");
        Row[] rows =
        [
            .. from run in finished
            group run by run.Group into own
            from policy in new[] { "policy", "negative" }
            let ends = own.Select(run => (Seed: run.Run.Setting("seed"), Curve: TrainingCurve.Of(run, policy)))
                .Where(run => run.Curve.Points.Count > 1)
                .Select(run => (run.Seed, End: run.Curve.Points[^1]))
                .ToArray()
            where ends.Length > 0
            select Compared(own.Key, policy, ends, own.Key == rival ? none : curves),
        ];
        Row[] tested = [.. rows.Where(row => row.Differences.Count > 0)];
        var adjusted = PairedTest.Holm([.. tested.Select(row => PairedTest.SignFlip(row.Differences))]);
        return [.. rows.Select(row => Array.IndexOf(tested, row) is var i and >= 0 ? row with { PValue = adjusted[i] } : row)];
    }

    private static Row Compared(
        string group,
        string policy,
        (string Seed, TrainingCurve.Point End)[] ends,
        ILookup<string, TrainingCurve> rivals
    )
    {
        var pairs = ends.Select(run =>
                (run.End, Rival: rivals[run.Seed].Select(curve => curve.At(run.End.Kl)).FirstOrDefault(point => point is not null))
            )
            .Where(pair => pair.Rival is not null)
            .Select(pair => (pair.End, Rival: pair.Rival!.Value))
            .ToArray();
        return new(
            group,
            policy,
            [.. ends.Select(run => run.End)],
            [.. pairs.Select(pair => pair.End.Reward - pair.Rival.Reward)],
            MeanOf([.. pairs.Select(pair => 100 * (pair.End.Perplexity / pair.Rival.Perplexity - 1))]),
            MeanOf([.. pairs.Select(pair => pair.End.Entropy - pair.Rival.Entropy)])
        );
    }

    private static Interval MeanOf(IReadOnlyList<double> values) => values.Count == 0 ? Interval.Of(double.NaN) : StudentT.Mean(values);
}
