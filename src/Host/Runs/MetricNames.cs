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

    /// <summary>The figures of a set of continuations, each name behind the prefix.</summary>
    public static IEnumerable<KeyValuePair<string, double>> Of(string prefix, GenerationMetrics metrics) =>
    [
        new(prefix + "reward", metrics.Reward),
        new(prefix + "perplexity", metrics.Perplexity),
        new(prefix + "distinct_1", metrics.Distinct1),
        new(prefix + "distinct_2", metrics.Distinct2),
        new(prefix + "length", metrics.Length),
        new(prefix + "kl", metrics.Kl),
    ];
}
