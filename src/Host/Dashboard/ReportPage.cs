using System.Text.Json.Nodes;
using DfPO.Host.Reports;

namespace DfPO.Host.Dashboard;

/// <summary>A report: the page of runs, frozen, with its data in it.</summary>
internal static class ReportPage
{
    /// <summary>Runs that have views of their own; of more there are the views of the study alone.</summary>
    public const int MostRuns = 20;

    /// <summary>The page.</summary>
    /// <param name="title">Its title.</param>
    /// <param name="runs">What it reports.</param>
    /// <param name="absent">Trials without a run, a line each.</param>
    /// <param name="decodings">Further decodings of finished policies.</param>
    /// <param name="rival">The setting that the others are compared with at equal KL; null for none.</param>
    /// <param name="against">Those comparisons.</param>
    /// <param name="traceUrl">Address of a trace, with <c>{trace}</c> in it; empty for no links.</param>
    public static string Write(
        string title,
        IReadOnlyList<ReportRun> runs,
        IReadOnlyList<string> absent,
        IReadOnlyList<MeasuredDecoding> decodings,
        string? rival = null,
        IReadOnlyList<EqualKl.Row>? against = null,
        string traceUrl = ""
    )
    {
        var figures = FigureRow.Of(runs);
        // Runs of several folders may have one name.
        var shown = runs.Take(MostRuns).Select((run, n) => (Id: $"{n + 1}/{run.Run.Name}", run.Run)).ToArray();
        var answers = new JsonObject
        {
            ["runs"] = new JsonArray([.. shown.Select(run => (JsonNode)RunAnswers.Summary(run.Id, run.Run))]),
        };
        foreach (var (id, run) in shown)
        {
            answers[$"run?id={id}"] = RunAnswers.Run(id, run);
            answers[$"cluster?id={id}"] = RunAnswers.Cluster(run.Path);
            answers[$"rollouts?id={id}"] = RunAnswers.FrozenRollouts(run.Path);
            answers[$"samples?id={id}"] = RunAnswers.FrozenSamples(run);
        }
        answers["study"] = ReportCharts.Of(runs, figures, decodings);
        return PageShell.Write(
            title,
            new JsonObject
            {
                ["live"] = false,
                ["traceUrl"] = traceUrl,
                ["left"] = Math.Max(0, runs.Count - MostRuns),
                ["answers"] = answers,
            },
            StudySection.Html(runs, figures, absent, decodings, rival, against),
            live: false
        );
    }
}
