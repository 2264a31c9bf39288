using System.Text.Json.Nodes;
using DfPO.Tasks.Metrics;

namespace DfPO.Host.Reports;

/// <summary>The data of a report's charts, as its script takes them.</summary>
internal static class ReportCharts
{
    private static readonly (string Metric, string Title)[] s_curves =
    [
        ("rollout/reward", "Reward of the rollouts"),
        ("rollout/perplexity", "Perplexity of the rollouts under the reference"),
        ("objective/kl", "KL to the reference, nats a token"),
        ("dfpo/mask_positive", "Share of tokens under the positive mask"),
        ("dfpo/mask_negative", "Share of tokens under the negative mask"),
        ("rollout/distinct_2", "Distinct bigrams of the rollouts"),
    ];

    /// <summary>Metrics to draw: the known ones that the runs have, and reward and perplexity of all validations.</summary>
    public static IReadOnlyList<(string Metric, string Title)> Curves(IReadOnlyList<ReportRun> runs)
    {
        var present = runs.SelectMany(run => run.Run.Points()).Select(point => point.Metric).ToHashSet();
        return
        [
            .. s_curves.Where(curve => present.Contains(curve.Metric)),
            .. present
                .Where(metric =>
                    metric.StartsWith("eval/validation/", StringComparison.Ordinal)
                    && (metric.EndsWith("/reward", StringComparison.Ordinal) || metric.EndsWith("/perplexity", StringComparison.Ordinal))
                )
                .Order(StringComparer.Ordinal)
                .Select(metric => (metric, $"Validation: {metric["eval/validation/".Length..].Replace("/", ", ")}")),
        ];
    }

    /// <summary>
    /// A curve a group, and another of its runs that are not finished: for each iteration the mean over the runs that came so far, with its
    /// t interval.
    /// </summary>
    public static IReadOnlyList<(string Group, IReadOnlyList<(int Iteration, Interval Value, int Runs)> Points)> Curve(
        IReadOnlyList<ReportRun> runs,
        string metric
    ) =>
        [
            .. from run in runs
            group run by run.Curve into own
            let points = own.SelectMany(run => run.Run.Points().Where(point => point.Metric == metric))
                .GroupBy(point => point.Iteration)
                .OrderBy(at => at.Key)
                .Select(at => (at.Key, StudentT.Mean([.. at.Select(point => point.Value)]), at.Count()))
                .ToList()
            where points.Count > 0
            select (own.Key, (IReadOnlyList<(int, Interval, int)>)points),
        ];

    /// <summary>Everything for the script.</summary>
    public static JsonObject Of(
        IReadOnlyList<ReportRun> runs,
        IReadOnlyList<FigureRow> figures,
        IReadOnlyList<MeasuredDecoding> decodings
    ) =>
        new()
        {
            ["curves"] = new JsonArray([
                .. Curves(runs)
                    .Select(curve =>
                        (JsonNode)
                            new JsonObject
                            {
                                ["metric"] = curve.Metric,
                                ["title"] = curve.Title,
                                ["series"] = Series(Curve(runs, curve.Metric)),
                            }
                    ),
            ]),
            ["frontier"] = new JsonArray([.. Families(figures, "perplexity")]),
            ["divergence"] = new JsonArray([
                .. Families(figures.Where(row => row.Values("kl").Count > 0), "kl"),
                .. decodings
                    .GroupBy(decoding => (decoding.Source, decoding.Policy))
                    .Select(same =>
                        (JsonNode)
                            new JsonObject
                            {
                                ["label"] = $"{same.Key.Source}, {same.Key.Policy}",
                                ["means"] = new JsonArray([
                                    .. same.OrderBy(decoding => decoding["kl"].Estimate)
                                        .Select(decoding =>
                                            Point(decoding.Source, decoding["kl"].Estimate, decoding["reward"].Estimate, decoding.Name)
                                        ),
                                ]),
                                ["seeds"] = new JsonArray(),
                            }
                    ),
            ]),
        };

    private static IEnumerable<JsonNode> Families(IEnumerable<FigureRow> figures, string metric) =>
        figures
            .GroupBy(row => (row.Family, row.Policy))
            .Select(family =>
                (JsonNode)
                    new JsonObject
                    {
                        ["label"] = $"{family.Key.Family}, {family.Key.Policy}",
                        ["means"] = new JsonArray([
                            .. family
                                .OrderBy(row => row[metric].Estimate)
                                .Select(row => Point(row.Group, row[metric].Estimate, row["reward"].Estimate, row.Policy)),
                        ]),
                        ["seeds"] = new JsonArray([
                            .. family.SelectMany(row =>
                                row.Values(metric).Zip(row.Values("reward"), (x, reward) => Point(row.Group, x, reward, row.Policy))
                            ),
                        ]),
                    }
            );

    private static JsonArray Series(
        IReadOnlyList<(string Group, IReadOnlyList<(int Iteration, Interval Value, int Runs)> Points)> curves
    ) =>
        [
            .. curves.Select(curve =>
                (JsonNode)
                    new JsonObject
                    {
                        ["label"] = curve.Group,
                        ["points"] = new JsonArray([
                            .. curve.Points.Select(point =>
                                (JsonNode)
                                    new JsonArray(point.Iteration, point.Value.Estimate, point.Value.Low, point.Value.High, point.Runs)
                            ),
                        ]),
                    }
            ),
        ];

    private static JsonObject Point(string group, double x, double y, string name) =>
        new()
        {
            ["x"] = x,
            ["y"] = y,
            ["group"] = group,
            ["name"] = name,
        };
}
