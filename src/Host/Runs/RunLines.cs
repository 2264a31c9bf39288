using System.Text.Json.Nodes;
using DfPO.Actors.Experiments;
using DfPO.Learner;
using DfPO.Models.Policies;
using DfPO.Tasks.Metrics;

namespace DfPO.Host.Runs;

/// <summary>One JSON object for each thing that happens in a run: what <c>metrics.jsonl</c> keeps and <c>--json</c> prints.</summary>
internal static class RunLines
{
    /// <summary>An iteration.</summary>
    public static JsonObject Of(IterationReport report) =>
        Line(
            "iteration",
            report.Iteration,
            [
                .. report.Rollout is { } rollout ? MetricNames.Of("rollout/", rollout) : [],
                .. report.Metrics.OrderBy(metric => metric.Key, StringComparer.Ordinal).Where(metric => metric.Key != "tokens_per_second"),
                new("tokens_per_second", report.TokensPerSecond),
                new("time/elapsed", report.Elapsed.TotalSeconds),
            ]
        );

    /// <summary>A guard's warning.</summary>
    /// <param name="iteration">The iteration that it is about.</param>
    /// <param name="warning">What was seen.</param>
    public static JsonObject Of(int iteration, LearnerWarning warning)
    {
        var line = Line("warning", iteration, []);
        line["code"] = warning.Code;
        line["message"] = warning.Message;
        return line;
    }

    /// <summary>An evaluation, without its continuations.</summary>
    public static JsonObject Of(EvaluationReport report)
    {
        var line = Line("evaluation", report.Iteration, MetricNames.Of($"eval/{report.Split}/{report.Policy.Name()}/", report.Metrics));
        foreach (var (name, value) in report.Texts)
            line[$"eval/{report.Split}/{report.Policy.Name()}/{name}"] = Number(value);
        line["intervals"] = MetricNames.Of(report.Intervals);
        line["split"] = report.Split;
        line["policy"] = report.Policy.Name();
        return line;
    }

    /// <summary>One continuation of an evaluation.</summary>
    public static JsonObject Of(EvaluationReport report, Sample sample)
    {
        var line = Of(sample);
        line.Insert(0, "iteration", report.Iteration);
        line.Insert(1, "split", report.Split);
        line.Insert(2, "policy", report.Policy.Name());
        return line;
    }

    /// <summary>A continuation by itself; sums over its tokens, nats.</summary>
    public static JsonObject Of(Sample sample) =>
        new()
        {
            ["id"] = sample.PromptId,
            ["prompt"] = sample.Prompt,
            ["continuation"] = sample.Continuation,
            ["reward"] = Number(sample.Reward),
            ["tokens"] = sample.Tokens,
            ["cross_entropy"] = Number(sample.Decoding?.CrossEntropy ?? double.NaN),
            ["kl"] = Number(sample.Decoding?.Kl ?? double.NaN),
            ["drawn_cross_entropy"] = Number(sample.DrawnCrossEntropy),
            ["policy_kl"] = Number(sample.PolicyKl),
        };

    /// <summary>
    /// The continuation that <see cref="Of(Tasks.Metrics.Sample)"/> wrote; one of a run before figures were kept has no tokens.
    /// </summary>
    public static Sample Sample(JsonObject line) =>
        new(
            (string?)line["id"] ?? "",
            (string?)line["prompt"] ?? "",
            (string?)line["continuation"] ?? "",
            (double?)line["reward"] ?? double.NaN
        )
        {
            Tokens = (int?)line["tokens"] ?? 0,
            DrawnCrossEntropy = (double?)line["drawn_cross_entropy"] ?? double.NaN,
            PolicyKl = (double?)line["policy_kl"] ?? double.NaN,
            Decoding = (double?)line["cross_entropy"] is { } crossEntropy && (double?)line["kl"] is { } kl ? new(crossEntropy, kl) : null,
        };

    /// <summary>The end of a run.</summary>
    public static JsonObject Of(ExperimentResult result) =>
        new()
        {
            ["type"] = "result",
            ["best_iteration"] = result.BestIteration,
            ["weights_digest"] = result.WeightsDigest,
            ["before"] = Figures(result.Before),
            ["after"] = new JsonArray([.. result.After.Select(Figures)]),
        };

    private static JsonObject Figures(EvaluationReport report)
    {
        var figures = new JsonObject { ["policy"] = report.Policy.Name(), ["iteration"] = report.Iteration };
        foreach (var (name, value) in MetricNames.Of("", report.Metrics))
            figures[name] = Number(value);
        foreach (var (name, value) in report.Texts)
            figures[name] = Number(value);
        figures["intervals"] = MetricNames.Of(report.Intervals);
        return figures;
    }

    private static JsonObject Line(string type, int iteration, IEnumerable<KeyValuePair<string, double>> metrics)
    {
        var line = new JsonObject { ["type"] = type, ["iteration"] = iteration };
        foreach (var (name, value) in metrics)
            line[name] = Number(value);
        return line;
    }

    // JSON has no NaN.
    private static JsonValue? Number(double value) => double.IsFinite(value) ? JsonValue.Create(value) : null;
}
