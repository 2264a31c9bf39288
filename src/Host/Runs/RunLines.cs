using System.Text.Json.Nodes;
using DfPO.Actors.Experiments;
using DfPO.Learner;

namespace DfPO.Host.Runs;

/// <summary>One JSON object for each thing that happens in a run: what <c>metrics.jsonl</c> keeps and <c>--json</c> prints.</summary>
internal static class RunLines
{
    /// <summary>An iteration.</summary>
    public static JsonObject Of(IterationReport report) => Line("iteration", report.Iteration,
    [
        .. report.Rollout is { } rollout ? MetricNames.Of("rollout/", rollout) : [],
        .. report.Metrics.OrderBy(metric => metric.Key, StringComparer.Ordinal).Where(metric => metric.Key != "tokens_per_second"),
        new("tokens_per_second", report.TokensPerSecond),
        new("time/elapsed", report.Elapsed.TotalSeconds),
    ]);

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
        var line = Line("evaluation", report.Iteration, MetricNames.Of($"eval/{report.Split}/{MetricNames.Of(report.Policy)}/", report.Metrics));
        foreach (var (name, value) in report.Texts)
            line[$"eval/{report.Split}/{MetricNames.Of(report.Policy)}/{name}"] = Number(value);
        line["split"] = report.Split;
        line["policy"] = MetricNames.Of(report.Policy);
        return line;
    }

    /// <summary>One continuation of an evaluation.</summary>
    public static JsonObject Of(EvaluationReport report, Sample sample) => new()
    {
        ["iteration"] = report.Iteration,
        ["split"] = report.Split,
        ["policy"] = MetricNames.Of(report.Policy),
        ["id"] = sample.PromptId,
        ["prompt"] = sample.Prompt,
        ["continuation"] = sample.Continuation,
        ["reward"] = Number(sample.Reward),
    };

    /// <summary>The end of a run.</summary>
    public static JsonObject Of(ExperimentResult result) => new()
    {
        ["type"] = "result",
        ["best_iteration"] = result.BestIteration,
        ["weights_digest"] = result.WeightsDigest,
        ["before"] = Figures(result.Before),
        ["after"] = new JsonArray([.. result.After.Select(Figures)]),
    };

    private static JsonObject Figures(EvaluationReport report)
    {
        var figures = new JsonObject { ["policy"] = MetricNames.Of(report.Policy), ["iteration"] = report.Iteration };
        foreach (var (name, value) in MetricNames.Of("", report.Metrics))
            figures[name] = Number(value);
        foreach (var (name, value) in report.Texts)
            figures[name] = Number(value);
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
