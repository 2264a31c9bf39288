using DfPO.Actors.Experiments;
using DfPO.Host.Runs;
using DfPO.Tasks.Metrics;
using Spectre.Console;

namespace DfPO.Host.Reporting;

/// <summary>What a run prints at its end: the before/after table on held-out prompts, continuations side by side, and a verdict.</summary>
internal static class FinalReport
{
    /// <summary>The figures that tables show.</summary>
    public static (string Name, Func<GenerationMetrics, double> Value)[] Columns { get; } =
        [("reward", m => m.Reward), ("perplexity", m => m.Perplexity), ("distinct-1", m => m.Distinct1), ("distinct-2", m => m.Distinct2), ("length", m => m.Length), ("KL", m => m.Kl)];

    /// <summary>Prints it.</summary>
    /// <param name="console">Where to.</param>
    /// <param name="result">How the run ended.</param>
    /// <param name="samples">Continuations to show.</param>
    /// <param name="folder">The run's folder; null when there is none.</param>
    public static void Write(IAnsiConsole console, ExperimentResult result, int samples, string? folder)
    {
        console.WriteLine();
        console.Write(Figures(result));
        if (result.Before.Texts.Count > 0)
            console.Write(TextFigures(result));
        foreach (var after in result.After)
            console.WriteLine(Verdict.Of(result.Before, after).Sentence);
        if (result.BestIteration == 0)
            console.WriteLine("No iteration had a better validation reward than the initial weights.");
        if (samples > 0)
        {
            console.WriteLine();
            console.Write(Samples(result, samples));
        }
        if (folder is not null)
            console.WriteLine($"Run folder: {folder}");
    }

    /// <summary>The before/after table.</summary>
    public static Table Figures(ExperimentResult result)
    {
        var table = new Table().Title($"Held-out prompts, {result.Before.Samples.Count} continuations each row, best validation at iteration {result.BestIteration}").Border(TableBorder.Rounded).AddColumn(new TableColumn("").NoWrap());
        foreach (var (name, _) in Columns)
            table.AddColumn(new TableColumn(name).RightAligned().NoWrap().Padding(1, 0, 0, 0));
        table.AddRow(Row("before", value => Verdict.Figure(value(result.Before.Metrics))));
        foreach (var after in result.After)
        {
            table.AddRow(Row($"after, {MetricNames.Symbol(after.Policy)}", value => Verdict.Figure(value(after.Metrics))));
            table.AddRow(Row("  change", value => Verdict.Percent(value(result.Before.Metrics), value(after.Metrics))));
        }
        return table;
    }

    /// <summary>The text metrics before and after: a row each, for there may be many.</summary>
    private static Table TextFigures(ExperimentResult result)
    {
        var table = new Table().Border(TableBorder.Rounded).AddColumn("text metric").AddColumn(new TableColumn("before").RightAligned());
        foreach (var after in result.After)
            table.AddColumn(new TableColumn($"after, {MetricNames.Symbol(after.Policy)}").RightAligned()).AddColumn(new TableColumn("change").RightAligned());
        foreach (var (name, before) in result.Before.Texts)
            table.AddRow([name, Verdict.Figure(before), .. result.After.Select(after => after.Texts.GetValueOrDefault(name, double.NaN)).SelectMany(value => new[] { Verdict.Figure(value), Verdict.Percent(before, value) })]);
        return table;
    }

    private static string[] Row(string name, Func<Func<GenerationMetrics, double>, string> cell) => [name, .. Columns.Select(column => cell(column.Value))];

    private static Table Samples(ExperimentResult result, int count)
    {
        var table = new Table().Border(TableBorder.Rounded).ShowRowSeparators().AddColumn("prompt").AddColumn("before");
        foreach (var after in result.After)
            table.AddColumn($"after, {MetricNames.Symbol(after.Policy)}");
        foreach (var before in result.Before.Samples.Take(count))
            table.AddRow([Markup.Escape(before.Prompt), Cell(before), .. result.After.Select(after => Cell(after.Samples.FirstOrDefault(sample => sample.PromptId == before.PromptId)))]);
        return table;
    }

    private static string Cell(Sample? sample) => sample is null ? "" : Markup.Escape($"{sample.Continuation.ReplaceLineEndings(" ").Trim()} [{Verdict.Figure(sample.Reward)}]");
}
