using System.Text.Json.Nodes;
using DfPO.Host.Reporting;
using DfPO.Host.Runs;
using DfPO.Models.Policies;
using DfPO.Tasks.Metrics;
using Spectre.Console;

namespace DfPO.Host.Distillation;

/// <summary>What became of the gain: the same prompts and seeds under each model.</summary>
/// <param name="Reference">Figures of <c>pi_0</c>, where the gain starts from.</param>
/// <param name="Policy">Of <c>pi_theta</c>: by itself, or under NLPO's mask.</param>
/// <param name="Source">What was distilled: <c>pi-</c>, or <c>pi_theta</c> under NLPO's mask.</param>
/// <param name="Original">Figures of that.</param>
/// <param name="Distilled">Of the one model.</param>
internal sealed record DistillationReport(GenerationMetrics Reference, GenerationMetrics Policy, DecodingPolicy Source, GenerationMetrics Original, GenerationMetrics Distilled)
{
    /// <summary>The part of the gain in reward from <c>pi_0</c> to what was distilled that the one model has; NaN where there was no gain.</summary>
    public double Survives => Original.Reward > Reference.Reward ? (Distilled.Reward - Reference.Reward) / (Original.Reward - Reference.Reward) : double.NaN;

    /// <summary>The same in words.</summary>
    public string Sentence => double.IsNaN(Survives)
        ? $"{Name} has no gain in reward over pi_0 ({Verdict.Figure(Reference.Reward)} -> {Verdict.Figure(Original.Reward)}), so there is none to keep."
        : FormattableString.Invariant($"The one model keeps {100 * Survives:F0} % of {Name}'s gain in reward ({Verdict.Figure(Reference.Reward)} -> {Verdict.Figure(Original.Reward)}; distilled {Verdict.Figure(Distilled.Reward)});")
            + $" perplexity under pi_0 is {Verdict.Figure(Distilled.Perplexity)}, {Name}'s was {Verdict.Figure(Original.Perplexity)}.";

    private string Name => MetricNames.Symbol(Source);

    private IEnumerable<(string Name, string Symbol, GenerationMetrics Metrics)> Rows => Source == DecodingPolicy.Policy
        ? [("reference", "pi_0", Reference), ("policy", "pi_theta, masked", Policy), ("distilled", "distilled", Distilled)]
        : [("reference", "pi_0", Reference), ("policy", "pi_theta", Policy), (MetricNames.Of(Source), $"{Name}, before", Original), ("distilled", "distilled", Distilled)];

    /// <summary>A table for people.</summary>
    public void Write(IAnsiConsole console, int continuations)
    {
        var table = new Table().Title($"{continuations} continuations of held-out prompts each row").Border(TableBorder.Rounded).AddColumn("");
        foreach (var (name, _) in FinalReport.Columns)
            table.AddColumn(new TableColumn(name).RightAligned());
        foreach (var (_, symbol, metrics) in Rows)
            table.AddRow([symbol, .. FinalReport.Columns.Select(column => Verdict.Figure(column.Value(metrics)))]);
        console.Write(table);
        console.WriteLine(Sentence);
    }

    /// <summary>An object for programs.</summary>
    public JsonObject ToJson()
    {
        var json = new JsonObject { ["gain_survives"] = Number(Survives) };
        foreach (var (name, _, metrics) in Rows)
            json[name] = new JsonObject(MetricNames.Of("", metrics).Select(metric => KeyValuePair.Create(metric.Key, (JsonNode?)Number(metric.Value))));
        return json;
    }

    private static JsonValue? Number(double value) => double.IsFinite(value) ? JsonValue.Create(value) : null;
}
