namespace DfPO.Host.Reports;

/// <summary>Figures on held-out prompts of the finished runs of a group under one decoding policy.</summary>
/// <param name="Group">The group.</param>
/// <param name="Family">Its algorithm.</param>
/// <param name="Policy">The decoding policy; <c>before</c> for the weights before training.</param>
/// <param name="Runs">For each run its figures by name.</param>
internal sealed record FigureRow(string Group, string Family, string Policy, IReadOnlyList<IReadOnlyDictionary<string, double>> Runs)
{
    /// <summary>The figures of tables, in their order.</summary>
    public static IReadOnlyList<(string Metric, string Title)> Columns { get; } =
        [("reward", "reward"), ("perplexity", "perplexity"), ("distinct_1", "distinct-1"), ("distinct_2", "distinct-2"), ("length", "length"), ("kl", "KL")];

    /// <summary>The other figures that runs have, which are what <c>evaluation.metrics</c> asked for, in alphabetical order.</summary>
    public static IReadOnlyList<(string Metric, string Title)> TextMetrics(IReadOnlyList<FigureRow> rows) =>
        [.. rows.SelectMany(row => row.Runs).SelectMany(run => run.Keys).Distinct().Except(Columns.Select(column => column.Metric)).Order(StringComparer.Ordinal).Select(name => (name, name))];

    /// <summary>Mean and bootstrap interval of a figure over the runs; NaN where none has it.</summary>
    public Interval this[string metric] => Values(metric) is { Count: > 0 } values ? Interval.Bootstrap(values) : new(double.NaN, double.NaN, double.NaN, 0);

    /// <summary>A figure of each run that has it.</summary>
    public IReadOnlyList<double> Values(string metric) => [.. Runs.Where(run => run.ContainsKey(metric)).Select(run => run[metric])];

    /// <summary>Rows for all groups, <c>before</c> first in each.</summary>
    public static IReadOnlyList<FigureRow> Of(IReadOnlyList<ReportRun> runs) =>
    [
        .. from run in runs.Where(run => run.Run.Result is not null)
           from figure in run.Run.Figures()
           group (run, figure) by (run.Group, run.Family, figure.Policy) into row
           select new FigureRow(row.Key.Group, row.Key.Family, row.Key.Policy,
               [.. row.GroupBy(entry => entry.run).Select(own => (IReadOnlyDictionary<string, double>)own.ToDictionary(entry => entry.figure.Metric, entry => entry.figure.Value))]),
    ];
}
