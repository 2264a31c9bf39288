using DfPO.Host.Reporting;
using DfPO.Tasks.Metrics;

namespace DfPO.Host.Reports;

/// <summary>Figures on held-out prompts of the finished runs of a group under one decoding policy.</summary>
/// <param name="Group">The group.</param>
/// <param name="Family">Its algorithm.</param>
/// <param name="Policy">The decoding policy; <c>before</c> for the weights before training.</param>
/// <param name="Runs">For each run its figures by name.</param>
/// <param name="Samples">For each run the continuations that the figures are of; none where a run kept none.</param>
internal sealed record FigureRow(
    string Group,
    string Family,
    string Policy,
    IReadOnlyList<IReadOnlyDictionary<string, double>> Runs,
    IReadOnlyList<IReadOnlyList<Sample>> Samples
)
{
    private readonly Lazy<IReadOnlyDictionary<string, Interval>> _intervals = new(() =>
        Samples.Select(SampleClusters.Of).ToArray() is { Length: > 0 } runs
        && runs.All(run => run.AreMeasured)
        && runs[0].Prompts.Any(prompt => runs.All(run => run.Has(prompt)))
            ? FigureIntervals.Of(runs)
            : new Dictionary<string, Interval>()
    );

    /// <summary>The figures of tables, in their order.</summary>
    public static IReadOnlyList<(string Metric, string Title)> Columns => FigureTable.Columns;

    /// <summary>The other figures that runs have, most of them what <c>evaluation.metrics</c> asked for, in alphabetical order.</summary>
    public static IReadOnlyList<(string Metric, string Title)> TextMetrics(IReadOnlyList<FigureRow> rows) =>
        [
            .. rows.SelectMany(row => row.Runs)
                .SelectMany(run => run.Keys)
                .Distinct()
                .Except(Columns.Select(column => column.Metric))
                .Order(StringComparer.Ordinal)
                .Select(name => (name, name)),
        ];

    /// <summary>
    /// Mean of a figure over the runs with its 95 % interval: over prompts, and over runs where there are several; over the runs alone
    /// where only they tell it. NaN where none has it.
    /// </summary>
    public Interval this[string metric] =>
        Values(metric) is not { Count: > 0 } values ? Interval.Of(double.NaN)
        : _intervals.Value.TryGetValue(metric, out var interval) ? interval
        : Bootstrap.Mean(values);

    /// <summary>A figure of each run that has it.</summary>
    public IReadOnlyList<double> Values(string metric) => [.. Runs.Where(run => run.ContainsKey(metric)).Select(run => run[metric])];

    /// <summary>Rows for all groups, <c>before</c> first in each.</summary>
    public static IReadOnlyList<FigureRow> Of(IReadOnlyList<ReportRun> runs) =>
        [
            .. from run in runs.Where(run => run.Run.Result is not null)
            from figure in run.Run.Figures()
            group (run, figure) by (run.Group, run.Family, figure.Policy) into row
            let own = row.GroupBy(entry => entry.run).ToArray()
            select new FigureRow(
                row.Key.Group,
                row.Key.Family,
                row.Key.Policy,
                [
                    .. own.Select(entries =>
                        (IReadOnlyDictionary<string, double>)entries.ToDictionary(entry => entry.figure.Metric, entry => entry.figure.Value)
                    ),
                ],
                [.. own.Select(entries => entries.Key.Run.TestSamples().GetValueOrDefault(row.Key.Policy, []))]
            ),
        ];
}
