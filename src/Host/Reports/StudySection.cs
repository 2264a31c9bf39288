using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using DfPO.Host.Reporting;
using DfPO.Tasks.Metrics;

namespace DfPO.Host.Reports;

/// <summary>Tables and places of charts of some runs, as HTML; every text of theirs is escaped.</summary>
internal static class StudySection
{
    private const int SampledPrompts = 3;

    /// <summary>The section's content.</summary>
    /// <param name="runs">What it reports.</param>
    /// <param name="figures">Their figures on held-out prompts.</param>
    /// <param name="absent">Trials without a run, a line each.</param>
    /// <param name="decodings">Further decodings of finished policies.</param>
    /// <param name="rival">The setting that the others are compared with at equal KL; null for none.</param>
    /// <param name="against">Those comparisons.</param>
    public static string Html(
        IReadOnlyList<ReportRun> runs,
        IReadOnlyList<FigureRow> figures,
        IReadOnlyList<string> absent,
        IReadOnlyList<MeasuredDecoding> decodings,
        string? rival = null,
        IReadOnlyList<EqualKl.Row>? against = null
    ) =>
        $"""
            <p>{Number(runs.Count, "run")} in {Number(runs.Select(run => run.Group).Distinct().Count(), "setting")}, {runs.Count(run =>
                run.Run.Result is not null
            )} of them finished{Others(runs)}.{Means(runs)}
            Bands are 95 % t intervals of the mean over the runs (seeds) of a setting, brackets 95 % bootstrap intervals over prompts with all
            their samples, and over runs where a setting has several. A curve of one run has no band. With few seeds a bootstrap interval is too narrow.</p>
            {Absent(runs, absent)}
            <h2>Figures on held-out prompts</h2>
            {Figures(runs, figures)}
            <h2>Score against naturalness</h2>
            <p>Large points are means of settings, small ones runs. Up is a better score; near the perplexity of the untrained model (before) is natural, far away on either side is not.</p>
            <div class="chart wide"><canvas id="frontier"></canvas></div>
            <p>The same reward against the KL of what was drawn from to the untrained model, nats a token: up and left is better.</p>
            <div class="chart wide"><canvas id="divergence"></canvas></div>
            {Decodings(decodings)}
            {(rival is null ? "" : Against(against ?? [], rival))}
            <h2>Curves</h2>
            <p>Iteration 0 is before training. A click on a name hides its curve.</p>
            <div id="curves"></div>
            <h2>Continuations</h2>
            {Samples(runs)}
            <h2>Configuration</h2>
            {Configuration(runs)}
            <h2>Versions</h2>
            {Versions(runs)}

            """;

    private static string Absent(IReadOnlyList<ReportRun> runs, IReadOnlyList<string> absent)
    {
        string[] lines =
        [
            .. runs.Where(run => run.Run.Result is null)
                .Select(run =>
                    $"{run.Run.Name}: {run.Run.Standing}, {run.Run.Iterations} of {run.Run.Setting("iterations")} iterations{(run.Run.Note.Length > 0 ? $"; {run.Run.Note}" : "")}"
                ),
            .. absent,
        ];
        return lines.Length == 0
            ? ""
            : $"<details{(lines.Length > 10 ? "" : " open")}><summary>Without a result: {lines.Length}</summary><ul>{string.Concat(lines.Select(line => $"<li>{E(line)}</li>"))}</ul></details>";
    }

    private static string Number(int count, string what) => count == 1 ? $"1 {what}" : $"{count} {what}s";

    private static string Others(IReadOnlyList<ReportRun> runs) =>
        string.Concat(
            runs.Where(run => run.Run.Result is null)
                .GroupBy(run => run.Run.Standing)
                .Select(same => $", {same.Count()} {same.Key}{(same.Key == "stopped" ? " by halving" : "")}")
        );

    private static string Means(IReadOnlyList<ReportRun> runs) =>
        (
            runs.All(run => run.Run.Result is not null)
                ? ""
                : " Figures and means are those of finished runs; what others did has curves of its own."
        )
        + (
            runs.Any(run => run.Run.Standing == "stopped")
                ? " Halving stops the runs that are worse on the way, so where some of a setting were stopped, the mean of the others is better than the setting is."
                : ""
        );

    private static string Figures(IReadOnlyList<ReportRun> runs, IReadOnlyList<FigureRow> figures)
    {
        if (figures.Count == 0)
            return "<p>No run has ended yet.</p>";
        var texts = FigureRow.TextMetrics(figures);
        return Of(FigureRow.Columns) + (texts.Count == 0 ? "" : "<h3>Text metrics</h3>\n" + Of(texts));

        string Of(IReadOnlyList<(string Metric, string Title)> columns) =>
            Table(
                ["setting", "policy", "runs", .. columns.Select(column => column.Title)],
                figures.Select(row =>
                    (IReadOnlyList<string>)
                        [
                            row.Group,
                            row.Policy,
                            Share(row.Runs.Count, runs.Count(run => run.Group == row.Group)),
                            .. columns.Select(column => Cell(row[column.Metric])),
                        ]
                )
            );
    }

    private static string Decodings(IReadOnlyList<MeasuredDecoding> decodings) =>
        decodings.Count == 0
            ? ""
            : "<h3>Decodings</h3>\n"
                + Table(
                    ["policy", "decoding", .. FigureRow.Columns.Select(column => column.Title)],
                    decodings.Select(decoding =>
                        (IReadOnlyList<string>)
                            [decoding.Source, decoding.Name, .. FigureRow.Columns.Select(column => Cell(decoding[column.Metric]))]
                    )
                );

    private static string Against(IReadOnlyList<EqualKl.Row> rows, string rival) =>
        $"<h3>Against {E(rival)} at equal KL</h3>\n"
        + "<p>Each run's last validation, against what the rival's run of the same seed had where it came to the same KL, by a straight line between its validations. Brackets are 95 % t intervals "
        + "over the pairs; p is that of the exact sign-flip test, adjusted by Holm over the rows.</p>\n"
        + Table(EqualKl.Columns, rows.Select(row => row.Cells()));

    private static string Share(int finished, int all) => finished == all ? $"{all}" : $"{finished} of {all}";

    private static string Cell(Interval value) =>
        $"{Verdict.Figure(value.Estimate)} {FigureTable.Brackets(value, Verdict.Figure)}".TrimEnd();

    private static string Samples(IReadOnlyList<ReportRun> runs)
    {
        var html = new StringBuilder();
        foreach (var run in runs.Where(run => run.Run.Result is not null).DistinctBy(run => run.Group))
        {
            JsonObject[] test = [.. run.Run.Samples().Where(sample => (string?)sample["split"] == "test")];
            string[] prompts = [.. test.Select(sample => (string?)sample["id"] ?? "").Distinct().Take(SampledPrompts)];
            var rows = test.Where(sample => prompts.Contains((string?)sample["id"]))
                .DistinctBy(sample => ((string?)sample["id"], (string?)sample["policy"], (int?)sample["iteration"]))
                .OrderBy(sample => Array.IndexOf(prompts, (string?)sample["id"]))
                .ThenBy(sample => (int?)sample["iteration"])
                .Select(sample =>
                    (IReadOnlyList<string>)
                        [
                            (string?)sample["prompt"] ?? "",
                            $"{sample["iteration"]}",
                            (string?)sample["policy"] ?? "",
                            (string?)sample["continuation"] ?? "",
                            (double?)sample["reward"] is { } reward ? Verdict.Figure(reward) : "",
                        ]
                );
            html.Append(
                $"<details><summary>{E(run.Group)}</summary>{Table(["prompt", "iteration", "policy", "continuation", "reward"], rows)}</details>\n"
            );
        }
        return html.ToString();
    }

    private static string Configuration(IReadOnlyList<ReportRun> runs)
    {
        ReportRun[] groups = [.. runs.DistinctBy(run => run.Group)];
        var keys = groups
            .SelectMany(run => run.Run.Config.Keys)
            .Distinct()
            .Where(key => key is not ("name" or "seed") && groups.Select(run => run.Run.Setting(key)).Distinct().Count() > 1);
        var differences =
            groups.Length < 2
                ? ""
                : $"<p>Keys in which the settings differ:</p>{Table(["key", .. groups.Select(run => run.Group)], keys.Select(key => (IReadOnlyList<string>)[key, .. groups.Select(run => run.Run.Setting(key))]))}";
        return differences
            + string.Concat(
                runs.Select(run =>
                    $"<details><summary>{E(run.Run.Name)}</summary><pre>{E(string.Join('\n', run.Run.Config.Select(pair => $"{pair.Key} = {pair.Value}")))}</pre></details>\n"
                )
            );
    }

    private static string Versions(IReadOnlyList<ReportRun> runs)
    {
        string[] names =
        [
            .. runs.SelectMany(run => run.Run.Versions.Select(field => field.Key))
                .Where(name => name is not ("seed" or "config_sha256"))
                .Distinct(),
        ];
        return Table(
            [.. names, "runs"],
            runs.GroupBy(run => string.Join('\n', names.Select(name => run.Run.Versions[name]?.ToString() ?? "")))
                .Select(same => (IReadOnlyList<string>)[.. same.Key.Split('\n'), $"{same.Count()}"])
        );
    }

    private static string Table(IReadOnlyList<string> header, IEnumerable<IReadOnlyList<string>> rows) =>
        $"<div class=\"table\"><table><thead><tr>{string.Concat(header.Select(name => $"<th>{E(name)}</th>"))}</tr></thead><tbody>\n"
        + string.Concat(rows.Select(row => $"<tr>{string.Concat(row.Select(cell => $"<td>{E(cell)}</td>"))}</tr>\n"))
        + "</tbody></table></div>\n";

    private static string E(string text) => WebUtility.HtmlEncode(text);
}
