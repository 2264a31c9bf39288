using DfPO.Actors.Configuration;
using DfPO.Actors.Experiments;
using DfPO.Host.Store;
using DfPO.Learner.Configuration;
using DfPO.Learner.Objectives;
using DfPO.Models.Policies;
using DfPO.Tasks.Metrics;
using Spectre.Console;

namespace DfPO.Host.Reporting;

/// <summary>What a run prints at its end: the before/after table on held-out prompts, continuations side by side, and a verdict.</summary>
internal static class FinalReport
{
    /// <summary>Prints it.</summary>
    /// <param name="console">Where to.</param>
    /// <param name="result">How the run ended.</param>
    /// <param name="config">The experiment: how many continuations to show, the margin of the verdict, the KL budget.</param>
    /// <param name="folder">The run's folder; null when there is none.</param>
    public static void Write(IAnsiConsole console, ExperimentResult result, ExperimentConfig config, string? folder)
    {
        var how = config.Evaluation;
        console.WriteLine();
        console.Write(Figures(result));
        if (result.Before.Texts.Count > 0)
            console.Write(TextFigures(result));
        foreach (var after in result.After)
            console.WriteLine(Verdict.Of(result.Before, after, how.EquivalenceMargin).Sentence);
        if (folder is not null && Budget(result, config, folder) is { } budget)
            console.WriteLine(budget.Sentence);
        if (result.BestIteration == 0)
            console.WriteLine("No iteration had a better validation reward than the initial weights.");
        if (how.Samples > 0)
        {
            console.WriteLine();
            console.Write(Samples(result, how.Samples));
        }
        if (folder is not null)
            console.WriteLine($"Run folder: {folder}");
    }

    /// <summary>How the run stands to its KL budget; null where it has none, or nothing was learnt.</summary>
    private static BudgetStanding? Budget(ExperimentResult result, ExperimentConfig config, string folder)
    {
        if (
            config.Learner is not { Objective: ObjectiveKind.Dfpo, Dfpo: { MaskRule: DfpoMaskRule.Budget } dfpo }
            || result.After.FirstOrDefault(after => after.Policy == DecodingPolicy.Policy) is not { } after
        )
            return null;
        var rollouts = RunRecord
            .Open(folder)
            .Points()
            .Where(point => point.Metric == "rollout/kl")
            .Select(point => (point.Iteration, point.Value))
            .ToArray();
        return rollouts.Length == 0 ? null : BudgetStanding.Of(dfpo.KlBudget, after, rollouts);
    }

    /// <summary>The before/after table.</summary>
    public static Table Figures(ExperimentResult result)
    {
        var before = result.Before;
        var clusters = SampleClusters.Of(before.Samples);
        var table = new FigureTable(
            $"Held-out prompts, {before.Samples.Count} continuations each row, 95 % intervals, best validation at iteration {result.BestIteration}"
        ).Add("before", before.Metrics, before.Intervals);
        foreach (var after in result.After)
            table
                .Add($"after, {after.Policy.Symbol()}", after.Metrics, after.Intervals)
                .AddChange(
                    "  change",
                    before.Metrics,
                    after.Metrics,
                    clusters.AreMeasured ? FigureIntervals.Paired([clusters], [SampleClusters.Of(after.Samples)]) : null
                );
        return table.Table;
    }

    /// <summary>The text metrics before and after: a row each, for there may be many.</summary>
    private static Table TextFigures(ExperimentResult result)
    {
        var table = new Table().Border(TableBorder.Rounded).AddColumn("text metric").AddColumn(new TableColumn("before").RightAligned());
        foreach (var after in result.After)
            table
                .AddColumn(new TableColumn($"after, {after.Policy.Symbol()}").RightAligned())
                .AddColumn(new TableColumn("change").RightAligned());
        foreach (var (name, before) in result.Before.Texts)
            table.AddRow([
                name,
                FigureTable.Text(result.Before.Texts, result.Before.Intervals, name),
                .. result.After.SelectMany(after =>
                    new[]
                    {
                        FigureTable.Text(after.Texts, after.Intervals, name),
                        Verdict.Percent(before, after.Texts.GetValueOrDefault(name, double.NaN)),
                    }
                ),
            ]);
        return table;
    }

    private static Table Samples(ExperimentResult result, int count)
    {
        var table = new Table().Border(TableBorder.Rounded).ShowRowSeparators().AddColumn("prompt").AddColumn("before");
        foreach (var after in result.After)
            table.AddColumn($"after, {after.Policy.Symbol()}");
        foreach (var before in result.Before.Samples.Take(count))
            table.AddRow([
                Markup.Escape(before.Prompt),
                Cell(before),
                .. result.After.Select(after => Cell(after.Samples.FirstOrDefault(sample => sample.PromptId == before.PromptId))),
            ]);
        return table;
    }

    private static string Cell(Sample? sample) =>
        sample is null ? "" : Markup.Escape($"{sample.Continuation.ReplaceLineEndings(" ").Trim()} [{Verdict.Figure(sample.Reward)}]");
}
