using System.Text.Json.Nodes;
using DfPO.Models.Policies;
using DfPO.Tasks.Metrics;

namespace DfPO.Host.Runs;

/// <summary>Names that figures have in <c>metrics.jsonl</c> and in the output of <c>--json</c>.</summary>
internal static class MetricNames
{
    /// <summary>The symbol of a decoding policy's name; any other name, such as <c>before</c>, is its own.</summary>
    public static string Symbol(string name) =>
        DecodingPolicies.All.Where(policy => policy.Name() == name).Select(policy => policy.Symbol()).FirstOrDefault(name);

    /// <summary>The figures of a set of continuations, each name behind the prefix.</summary>
    public static IEnumerable<KeyValuePair<string, double>> Of(string prefix, GenerationMetrics metrics) =>
        GenerationMetrics.Figures.Select(figure => KeyValuePair.Create(prefix + figure.Name, figure.Of(metrics)));

    /// <summary>The intervals of figures as one object: for each its low and its high end; those without one are left out.</summary>
    public static JsonObject Of(IReadOnlyDictionary<string, Interval> intervals) =>
        new(
            intervals
                .Where(figure => double.IsFinite(figure.Value.Low) && double.IsFinite(figure.Value.High))
                .Select(figure => KeyValuePair.Create(figure.Key, (JsonNode?)new JsonArray(figure.Value.Low, figure.Value.High)))
        );
}
