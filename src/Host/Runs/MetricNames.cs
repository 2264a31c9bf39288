using System.Text.Json.Nodes;
using DfPO.Models.Policies;
using DfPO.Tasks.Metrics;

namespace DfPO.Host.Runs;

/// <summary>Names that figures have in <c>metrics.jsonl</c> and in the output of <c>--json</c>.</summary>
internal static class MetricNames
{
    /// <summary>The decoding policy in a metric's name and on the command line.</summary>
    public static string Of(DecodingPolicy policy) => policy switch
    {
        DecodingPolicy.Policy => "policy",
        DecodingPolicy.Positive => "positive",
        _ => "negative",
    };

    /// <summary>The decoding policy as the literature writes it.</summary>
    public static string Symbol(DecodingPolicy policy) => policy switch
    {
        DecodingPolicy.Policy => "pi_theta",
        DecodingPolicy.Positive => "pi+",
        _ => "pi-",
    };

    /// <summary>The symbol of a decoding policy's name; any other name, such as <c>before</c>, is its own.</summary>
    public static string Symbol(string name) => Enum.GetValues<DecodingPolicy>().Where(policy => Of(policy) == name).Select(Symbol).FirstOrDefault(name);

    /// <summary>The figures of a set of continuations, each name behind the prefix.</summary>
    public static IEnumerable<KeyValuePair<string, double>> Of(string prefix, GenerationMetrics metrics) =>
        GenerationMetrics.Figures.Select(figure => KeyValuePair.Create(prefix + figure.Name, figure.Of(metrics)));

    /// <summary>The intervals of figures as one object: for each its low and its high end; those without one are left out.</summary>
    public static JsonObject Of(IReadOnlyDictionary<string, Interval> intervals) => new(intervals.Where(figure => double.IsFinite(figure.Value.Low) && double.IsFinite(figure.Value.High))
        .Select(figure => KeyValuePair.Create(figure.Key, (JsonNode?)new JsonArray(figure.Value.Low, figure.Value.High))));
}
