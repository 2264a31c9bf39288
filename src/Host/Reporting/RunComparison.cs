using System.Text.Json.Nodes;
using DfPO.Host.Runs;
using DfPO.Host.Store;
using DfPO.Models;
using DfPO.Tasks.Metrics;
using Spectre.Console;

namespace DfPO.Host.Reporting;

/// <summary>
/// Two runs' last test continuations of the same prompts, or those of two groups of runs that differ in their seeds, compared in pairs.
/// </summary>
internal static class RunComparison
{
    /// <summary>One figure under one decoding policy.</summary>
    /// <param name="Policy">The decoding policy's name.</param>
    /// <param name="Figure">What is compared.</param>
    /// <param name="Values">Both sides, and B - A with its 95 % interval.</param>
    internal sealed record Row(string Policy, string Figure, PairedFigure Values)
    {
        /// <summary>An object for programs.</summary>
        public JsonObject ToJson() =>
            new()
            {
                ["policy"] = Policy,
                ["figure"] = Figure,
                ["prompts"] = Values.Prompts,
                ["a"] = Values.A.Estimate,
                ["b"] = Values.B.Estimate,
                ["difference"] = Values.Difference.Estimate,
                ["interval"] = new JsonArray(Values.Difference.Low, Values.Difference.High),
            };
    }

    private static readonly (string Name, Func<Sample, double> Of)[] s_words =
    [
        ("words", sample => WordTokens.Of(sample.Continuation).Length),
        ("repetition-4", sample => Degeneration.RepetitionRate(WordTokens.Of(sample.Continuation))),
    ];

    /// <summary>
    /// Compares. Prompts are resampled with all their samples; where a side has several runs, these are resampled too, so training's own
    /// chance counts.
    /// </summary>
    /// <param name="a">Folders of the one side's runs, at least one.</param>
    /// <param name="b">Folders of the other side's.</param>
    /// <exception cref="DfpoException"><c>compare/samples</c>: a run without test continuations, or two without a common
    /// prompt.</exception>
    public static IReadOnlyList<Row> Of(IReadOnlyList<string> a, IReadOnlyList<string> b)
    {
        var (left, right) = (a.Select(Last).ToArray(), b.Select(Last).ToArray());
        Row[] rows =
        [
            .. left[0]
                .Keys.Where(policy => policy != "before" && left.Concat(right).All(run => run.ContainsKey(policy)))
                .SelectMany(policy => Of(policy, [.. left.Select(run => run[policy])], [.. right.Select(run => run[policy])])),
        ];
        return rows.Length > 0
            ? rows
            : throw new DfpoException(
                "compare/samples",
                $"'{string.Join(' ', a)}' and '{string.Join(' ', b)}' have no test prompt in common under the same decoding policy: compare runs on the same data."
            );
    }

    /// <summary>Prints the rows.</summary>
    public static void Print(IAnsiConsole console, IReadOnlyList<Row> rows, IReadOnlyList<string> a, IReadOnlyList<string> b)
    {
        var table = new Table()
            .Title(Markup.Escape($"A: {string.Join(' ', a)}   B: {string.Join(' ', b)}"))
            .Border(TableBorder.Rounded)
            .AddColumns("policy", "figure", "prompts", "A", "B", "B - A", "95 % interval", "");
        foreach (var (policy, figure, values) in rows)
            table.AddRow(
                policy,
                figure,
                $"{values.Prompts}",
                Verdict.Figure(values.A.Estimate),
                Verdict.Figure(values.B.Estimate),
                Verdict.Figure(values.Difference.Estimate),
                $"{Verdict.Figure(values.Difference.Low)} to {Verdict.Figure(values.Difference.High)}",
                values.Difference.ExcludesZero ? "differs" : "may be chance"
            );
        console.Write(table);
    }

    private static IEnumerable<Row> Of(string policy, Sample[][] a, Sample[][] b)
    {
        SampleClusters[] left = [.. a.Select(SampleClusters.Of)],
            right = [.. b.Select(SampleClusters.Of)];
        if (!left[0].Prompts.Any(prompt => left.Concat(right).All(run => run.Has(prompt))))
            yield break;
        var figures = FigureIntervals.Paired(left, right);
        foreach (var column in FigureTable.Columns)
            if (double.IsFinite(figures[column.Name].Difference.Estimate))
                yield return new(MetricNames.Symbol(policy), column.Title, figures[column.Name]);
        // What the words alone tell takes the reward's place, which is any mean over samples.
        foreach (var (name, of) in s_words)
        {
            SampleClusters[] With(Sample[][] runs) =>
                [.. runs.Select(run => SampleClusters.Of([.. run.Select(sample => sample with { Reward = of(sample) })]))];
            yield return new(MetricNames.Symbol(policy), name, FigureIntervals.Paired(With(a), With(b))["reward"]);
        }
    }

    /// <summary>The test continuations of a run's end, by decoding policy.</summary>
    private static IReadOnlyDictionary<string, Sample[]> Last(string path)
    {
        var run = RunRecord.Open(path);
        if (run.Result is null)
            throw new DfpoException(
                "compare/samples",
                $"'{path}' has no test continuations: only a finished run can be compared, not one that goes on or was stopped."
            );
        var samples = run.TestSamples();
        return samples.Count > 0
            ? samples
            : throw new DfpoException("compare/samples", $"'{path}' has no test continuations of iteration {run.BestIteration}.");
    }
}
