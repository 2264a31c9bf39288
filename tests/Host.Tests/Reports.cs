using DfPO.Actors.Experiments;
using DfPO.Models.Policies;
using DfPO.Tasks.Metrics;

namespace DfPO.Host.Tests;

/// <summary>Events of made-up runs.</summary>
internal static class Reports
{
    public static GenerationMetrics Metrics(double reward = 0.5, double perplexity = 30) =>
        new(reward, perplexity, Math.Log(perplexity) - 0.0123, 0.0123, 0.25, 0.75, 32) { DrawnPerplexity = perplexity, PolicyKl = 0.0456 };

    public static EvaluationReport Evaluation(
        string split,
        DecodingPolicy policy,
        int iteration,
        double reward = 0.5,
        double perplexity = 30,
        string? continuation = null
    )
    {
        var samples = Samples(policy, iteration, reward, perplexity, continuation).ToArray();
        return new(split, policy, iteration, Metrics(reward, perplexity), samples) { Intervals = FigureIntervals.Of(samples) };
    }

    /// <summary>
    /// A sample of 21 prompts each, whose figures are those asked for, with some spread, which differs from iteration to iteration.
    /// </summary>
    private static IEnumerable<Sample> Samples(DecodingPolicy policy, int iteration, double reward, double perplexity, string? continuation)
    {
        for (var i = 0; i <= 20; i++)
        {
            // Pairs with opposite signs: their mean is the figure.
            var spread = i == 0 ? 0 : (i % 2 == 0 ? 1 : -1) * (1 + (i + 1) / 2 % (iteration + 2)) / 10.0;
            var crossEntropy = 32 * (double.IsNaN(perplexity) ? double.NaN : Math.Log(perplexity) + 0.2 * spread);
            yield return new(
                $"p-{i + 1}",
                i == 0 ? "This film" : "A story",
                i == 0 ? continuation ?? $" is [{MetricsName(policy)}] text" : " of \"two\"",
                reward + 0.1 * spread
            )
            {
                Tokens = 32,
                DrawnCrossEntropy = crossEntropy,
                PolicyKl = 32 * 0.0456,
                Decoding = new(crossEntropy, 32 * 0.0123),
            };
        }
    }

    public static IterationReport Iteration(int iteration, int iterations = 50, double reward = 0.5) =>
        new(
            iteration,
            iterations,
            Metrics(reward),
            new Dictionary<string, double>
            {
                ["objective/kl"] = 0.0042,
                ["dfpo/mask_positive"] = 0.98,
                ["dfpo/mask_negative"] = 0.97,
                ["tokens_per_second"] = 412,
                ["time/rollout"] = 1.5,
                ["value/explained_variance"] = double.NaN,
            },
            412,
            TimeSpan.FromSeconds(61),
            TimeSpan.FromSeconds(200)
        );

    public static ExperimentResult Result() =>
        new(
            35,
            Evaluation("test", DecodingPolicy.Policy, 0, 0.5, 30),
            [Evaluation("test", DecodingPolicy.Policy, 35, 0.55, 30.6), Evaluation("test", DecodingPolicy.Negative, 35, 0.7, 33)],
            "abc123"
        );

    private static string MetricsName(DecodingPolicy policy) => policy.ToString().ToLowerInvariant();
}
