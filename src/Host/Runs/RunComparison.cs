using System.Text.Json;
using System.Text.Json.Nodes;
using DfPO.Host.Reporting;
using DfPO.Models;
using DfPO.Tasks.Metrics;
using Spectre.Console;

namespace DfPO.Host.Runs;

/// <summary>Two runs' last test continuations of the same prompts, compared in pairs.</summary>
internal static class RunComparison
{
    /// <summary>One figure under one decoding policy.</summary>
    /// <param name="Policy">The decoding policy's name.</param>
    /// <param name="Figure">What is compared.</param>
    /// <param name="Prompts">Prompts that both runs continued.</param>
    /// <param name="A">Mean of the first run.</param>
    /// <param name="B">Mean of the second run.</param>
    /// <param name="Difference">Mean of A - B over prompts, with its 95 % interval.</param>
    internal sealed record Row(string Policy, string Figure, int Prompts, double A, double B, Interval Difference);

    private sealed record Line(string Policy, string Id, double Reward, string Text);

    private static readonly (string Name, Func<Line, double> Of)[] s_figures =
    [
        ("reward", line => line.Reward),
        ("words", line => WordTokens.Of(line.Text).Length),
        ("repetition-4", line => Degeneration.RepetitionRate(WordTokens.Of(line.Text))),
    ];

    /// <summary>Compares; a prompt's several samples count as their mean.</summary>
    /// <exception cref="DfpoException"><c>compare/samples</c>: a run without test continuations, or two without a common prompt.</exception>
    public static IReadOnlyList<Row> Of(string a, string b)
    {
        var (left, right) = (Last(a), Last(b));
        Row[] rows = [.. left.Select(line => line.Policy).Distinct().SelectMany(policy => s_figures.Select(figure =>
        {
            var (x, y) = (PerPrompt(left, policy, figure.Of), PerPrompt(right, policy, figure.Of));
            string[] common = [.. x.Keys.Where(y.ContainsKey).Order(StringComparer.Ordinal)];
            double[] of(Dictionary<string, double> values) => [.. common.Select(id => values[id])];
            return common.Length == 0 ? null : new Row(policy, figure.Name, common.Length, of(x).Average(), of(y).Average(), Bootstrap.PairedDifference(of(x), of(y)));
        })).OfType<Row>()];
        return rows.Length > 0 ? rows : throw new DfpoException("compare/samples", $"'{a}' and '{b}' have no test prompt in common under the same decoding policy: compare runs on the same data.");
    }

    /// <summary>Prints the rows.</summary>
    public static void Print(IAnsiConsole console, IReadOnlyList<Row> rows, string a, string b)
    {
        var table = new Table().Title($"A: {a}   B: {b}").Border(TableBorder.Rounded).AddColumns("policy", "figure", "prompts", "A", "B", "A - B", "95 % interval", "");
        foreach (var row in rows)
            table.AddRow(row.Policy, row.Figure, $"{row.Prompts}", Verdict.Figure(row.A), Verdict.Figure(row.B), Verdict.Figure(row.Difference.Estimate),
                $"{Verdict.Figure(row.Difference.Low)} to {Verdict.Figure(row.Difference.High)}", row.Difference.ExcludesZero ? "differs" : "may be chance");
        console.Write(table);
    }

    private static Dictionary<string, double> PerPrompt(IEnumerable<Line> lines, string policy, Func<Line, double> figure) =>
        lines.Where(line => line.Policy == policy).GroupBy(line => line.Id).ToDictionary(prompt => prompt.Key, prompt => prompt.Average(figure));

    /// <summary>The test continuations of a run's end.</summary>
    private static Line[] Last(string run)
    {
        var folder = RunFolder.Open(run);
        if (!File.Exists(folder.Samples) || !File.Exists(folder.Result))
            throw new DfpoException("compare/samples", $"'{run}' has no test continuations: only a finished run can be compared, not one that goes on or was stopped.");
        var best = (int?)JsonNode.Parse(File.ReadAllText(folder.Result))?["best_iteration"] ?? 0;
        Line[] lines = [.. File.ReadLines(folder.Samples).Select((text, index) => Parse(text, $"'{folder.Samples}' line {index + 1}")).Where(line => (string?)line["split"] == "test" && (int?)line["iteration"] == best)
            .Select(line => new Line((string?)line["policy"] ?? "", (string?)line["id"] ?? "", (double?)line["reward"] ?? double.NaN, (string?)line["continuation"] ?? ""))];
        return lines.Length > 0 ? lines : throw new DfpoException("compare/samples", $"'{run}' has no test continuations of iteration {best}.");
    }

    private static JsonObject Parse(string text, string place)
    {
        try
        {
            return JsonNode.Parse(text) as JsonObject ?? throw new JsonException("not an object");
        }
        catch (JsonException e)
        {
            throw new DfpoException("run/corrupt", $"{place} is not a JSON object ({e.Message}).", e);
        }
    }
}
