using DfPO.Tasks.Metrics;
using Spectre.Console;

namespace DfPO.Host.Reporting;

/// <summary>
/// Figures of evaluations, a row each, with their 95 % intervals below them; what <c>run</c>, <c>eval</c> and <c>distill</c> print.
/// </summary>
internal sealed class FigureTable
{
    /// <summary>The figures of tables by their names in files, with their titles.</summary>
    public static IReadOnlyList<(string Name, string Title)> Columns { get; } =
    [
        ("reward", "reward"),
        ("perplexity", "perplexity"),
        ("entropy", "entropy"),
        ("kl", "KL"),
        ("distinct_1", "distinct-1"),
        ("distinct_2", "distinct-2"),
        ("length", "length"),
    ];

    /// <summary>Makes a table without rows.</summary>
    public FigureTable(string title)
    {
        Table = new Table().Title(title).Border(TableBorder.Rounded).AddColumn(new TableColumn("").NoWrap());
        foreach (var (_, name) in Columns)
            Table.AddColumn(new TableColumn(name).RightAligned().NoWrap().Padding(1, 0, 0, 0));
    }

    /// <summary>What is printed.</summary>
    public Table Table { get; }

    /// <summary>Adds an evaluation.</summary>
    public FigureTable Add(string name, GenerationMetrics metrics, IReadOnlyDictionary<string, Interval> intervals)
    {
        var values = GenerationMetrics.Figures.ToDictionary(figure => figure.Name, figure => figure.Of(metrics));
        Table.AddRow([
            Markup.Escape(name),
            .. Columns.Select(column =>
                Cell(
                    Verdict.Figure(values[column.Name]),
                    intervals.TryGetValue(column.Name, out var interval) ? interval : null,
                    Verdict.Figure
                )
            ),
        ]);
        return this;
    }

    /// <summary>
    /// Adds how much the figures changed on the same prompts: in per cent, but entropy and KL, which are nats already, by their difference.
    /// </summary>
    public FigureTable AddChange(
        string name,
        GenerationMetrics before,
        GenerationMetrics after,
        IReadOnlyDictionary<string, PairedFigure>? paired
    )
    {
        var figures = GenerationMetrics.Figures.ToDictionary(figure => figure.Name, figure => figure.Of);
        Table.AddRow([
            Markup.Escape(name),
            .. Columns.Select(column =>
                (Before: figures[column.Name](before), After: figures[column.Name](after)) is var value && column.Name is "entropy" or "kl"
                    ? Cell(Verdict.Signed(value.After - value.Before, "0.000"), paired?[column.Name].Difference, end =>
                        Verdict.Signed(end, "0.000")
                    )
                    : Cell(Verdict.Percent(value.Before, value.After), paired?[column.Name].Change, end => Verdict.Signed(100 * end))
            ),
        ]);
        return this;
    }

    /// <summary>A text metric with its interval, where it has one.</summary>
    public static string Text(IReadOnlyDictionary<string, double> figures, IReadOnlyDictionary<string, Interval> intervals, string name) =>
        Markup.Escape(
            $"{Verdict.Figure(figures.GetValueOrDefault(name, double.NaN))} {Brackets(intervals.TryGetValue(name, out var interval) ? interval : null, Verdict.Figure)}".TrimEnd()
        );

    /// <summary>An interval in brackets; empty where there is none.</summary>
    public static string Brackets(Interval? interval, Func<double, string> figure) =>
        interval is { } ends && ends.Low < ends.High ? $"[{figure(ends.Low)}, {figure(ends.High)}]" : "";

    private static string Cell(string value, Interval? interval, Func<double, string> figure) =>
        Markup.Escape(value == "-" || Brackets(interval, figure) is not { Length: > 0 } brackets ? value : $"{value}\n{brackets}");
}
