using DfPO.Actors.Experiments;
using DfPO.Models.Policies;
using DfPO.Tasks.Metrics;

namespace DfPO.Host.Tests;

/// <summary>Events of made-up runs.</summary>
internal static class Reports
{
    public static GenerationMetrics Metrics(double reward = 0.5, double perplexity = 30) => new(reward, perplexity, 0.25, 0.75, 32, 0.0123);

    public static EvaluationReport Evaluation(string split, DecodingPolicy policy, int iteration, double reward = 0.5, double perplexity = 30) => new(split, policy, iteration, Metrics(reward, perplexity),
        [new("p-1", "This film", $" is [{MetricsName(policy)}] text", reward), new("p-2", "A story", " of \"two\"", 0.25)]);

    public static IterationReport Iteration(int iteration, int iterations = 50, double reward = 0.5) => new(iteration, iterations, Metrics(reward),
        new Dictionary<string, double> { ["objective/kl"] = 0.0042, ["dfpo/mask_positive"] = 0.98, ["dfpo/mask_negative"] = 0.97, ["tokens_per_second"] = 412, ["time/rollout"] = 1.5, ["value/explained_variance"] = double.NaN },
        412, TimeSpan.FromSeconds(61), TimeSpan.FromSeconds(200));

    public static ExperimentResult Result() => new(35, Evaluation("test", DecodingPolicy.Policy, 0, 0.5, 30),
        [Evaluation("test", DecodingPolicy.Policy, 35, 0.55, 30.6), Evaluation("test", DecodingPolicy.Negative, 35, 0.7, 33)], "abc123");

    private static string MetricsName(DecodingPolicy policy) => policy.ToString().ToLowerInvariant();
}
