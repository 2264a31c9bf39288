using System.Text.Json.Nodes;
using DfPO.Actors.Evaluation;
using DfPO.Host.Reporting;
using DfPO.Host.Runs;
using DfPO.Models.Policies;
using Spectre.Console;

namespace DfPO.Host.Distillation;

/// <summary>What became of the gain: the same prompts and seeds under each model.</summary>
/// <param name="Reference">Figures of <c>pi_0</c>, where the gain starts from.</param>
/// <param name="Policy">Of <c>pi_theta</c>: by itself, or under NLPO's mask.</param>
/// <param name="Source">What was distilled: <c>pi-</c>, or <c>pi_theta</c> under NLPO's mask.</param>
/// <param name="Original">Figures of that.</param>
/// <param name="Distilled">Of the one model.</param>
internal sealed record DistillationReport(
    EvaluationFigures Reference,
    EvaluationFigures Policy,
    DecodingPolicy Source,
    EvaluationFigures Original,
    EvaluationFigures Distilled
)
{
    /// <summary>
    /// The part of the gain in reward from <c>pi_0</c> to what was distilled that the one model has; NaN where there was no gain.
    /// </summary>
    public double Survives =>
        Original.Metrics.Reward > Reference.Metrics.Reward
            ? (Distilled.Metrics.Reward - Reference.Metrics.Reward) / (Original.Metrics.Reward - Reference.Metrics.Reward)
            : double.NaN;

    /// <summary>The same in words.</summary>
    public string Sentence =>
        double.IsNaN(Survives)
            ? $"{Name} has no gain in reward over pi_0 ({Verdict.Figure(Reference.Metrics.Reward)} -> {Verdict.Figure(Original.Metrics.Reward)}), so there is none to keep."
            : FormattableString.Invariant(
                $"The one model keeps {100 * Survives:F0} % of {Name}'s gain in reward ({Verdict.Figure(Reference.Metrics.Reward)} -> {Verdict.Figure(Original.Metrics.Reward)}; distilled {Verdict.Figure(Distilled.Metrics.Reward)});"
            )
                + $" perplexity under pi_0 is {Verdict.Figure(Distilled.Metrics.Perplexity)}, {Name}'s was {Verdict.Figure(Original.Metrics.Perplexity)}.";

    private string Name => Source.Symbol();

    private IEnumerable<(string Name, string Symbol, EvaluationFigures Model)> Rows =>
        Source == DecodingPolicy.Policy
            ? [("reference", "pi_0", Reference), ("policy", "pi_theta, masked", Policy), ("distilled", "distilled", Distilled)]
            :
            [
                ("reference", "pi_0", Reference),
                ("policy", "pi_theta", Policy),
                (Source.Name(), $"{Name}, before", Original),
                ("distilled", "distilled", Distilled),
            ];

    /// <summary>A table for people.</summary>
    public void Write(IAnsiConsole console, int continuations)
    {
        var table = new FigureTable($"{continuations} continuations of held-out prompts each row, 95 % intervals");
        foreach (var (_, symbol, model) in Rows)
            table.Add(symbol, model.Metrics, model.Intervals);
        console.Write(table.Table);
        console.WriteLine(Sentence);
    }

    /// <summary>An object for programs.</summary>
    public JsonObject ToJson()
    {
        var json = new JsonObject { ["gain_survives"] = Number(Survives) };
        foreach (var (name, _, model) in Rows)
            json[name] = new JsonObject(
                MetricNames.Of("", model.Metrics).Select(metric => KeyValuePair.Create(metric.Key, (JsonNode?)Number(metric.Value)))
            )
            {
                ["intervals"] = MetricNames.Of(model.Intervals),
            };
        return json;
    }

    private static JsonValue? Number(double value) => double.IsFinite(value) ? JsonValue.Create(value) : null;
}
