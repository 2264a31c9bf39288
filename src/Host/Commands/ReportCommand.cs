using System.CommandLine;
using DfPO.Host.Dashboard;
using DfPO.Host.Reports;

namespace DfPO.Host.Commands;

/// <summary><c>report</c>: studies and runs as one HTML file.</summary>
internal static class ReportCommand
{
    public static Command Create()
    {
        var paths = new Argument<string[]>("study-or-run")
        {
            Description = "Folders of studies and runs.",
            Arity = ArgumentArity.OneOrMore,
        };
        var output = Options.Of("--out", "The file.", "report.html");
        var title = Options.Optional<string>("--title", "Title of the page; by default the folders' names.");
        var decodings = new Option<string[]>("--decodings")
        {
            Description = "Files of 'dfpo eval --json': decodings to draw beside the runs' own, reward against KL.",
            AllowMultipleArgumentsPerToken = true,
        };
        var against = Options.Optional<string>(
            "--against",
            "A setting that all others are compared with at equal KL, by its name in the report's tables: reward, perplexity and entropy, paired by seed."
        );
        var charts = Options.Optional<string>(
            "--charts",
            "A folder that receives reward-kl.svg: reward against KL along training, a line a setting."
        );
        var traces = Options.TraceUrl();
        var command = new Command(
            "report",
            """
            Write a report that opens offline: the page of 'dfpo dashboard', frozen, with learning curves, continuations token by token, and of several
            runs curves with bands over seeds, score against naturalness, and tables with intervals. Examples:
              dfpo report runs/imdb-tiny-claim --out report.html
              dfpo report runs/NAME --decodings decodings.jsonl
              dfpo report runs/imdb-tiny-budget-study --against "imdb-tiny grpo" --charts docs/images
            """
        )
        {
            paths,
            output,
            title,
            decodings,
            against,
            charts,
            traces,
        };
        command.SetAction(result =>
        {
            var folders = result.GetValue(paths)!;
            List<string> absent = [];
            var runs = ReportRun.Read(folders, absent.Add);
            var file = Path.GetFullPath(result.GetValue(output)!);
            var rival = result.GetValue(against);
            var rows = rival is null ? [] : EqualKl.Of(runs, rival);
            var name = result.GetValue(title)
                ?? string.Join(", ", folders.Select(folder => Path.GetFileName(Path.GetFullPath(folder).TrimEnd('/'))));
            var page = ReportPage.Write(
                name,
                runs,
                absent,
                [.. (result.GetValue(decodings) ?? []).SelectMany(MeasuredDecoding.Read)],
                rival,
                rows,
                result.GetValue(traces)!
            );
            File.WriteAllText(file + ".partial", page);
            File.Move(file + ".partial", file, overwrite: true);
            if (result.GetValue(charts) is { } folder)
                File.WriteAllText(
                    Path.Combine(Directory.CreateDirectory(folder).FullName, "reward-kl.svg"),
                    RewardKlChart.Svg($"{name}: reward against KL along training", runs, "policy", "negative")
                );
            if (rival is not null)
                Print(rows, rival);
            Console.WriteLine($"{runs.Count} {(runs.Count == 1 ? "run" : "runs")} reported in {file}");
        });
        return command;
    }

    /// <summary>A line a row: the table of the page is too wide for a terminal.</summary>
    private static void Print(IReadOnlyList<EqualKl.Row> rows, string rival)
    {
        Console.WriteLine($"Against {rival} at equal KL:");
        foreach (var cells in rows.Select(row => row.Cells()))
            Console.WriteLine(
                $"{cells[0]}, {cells[1]}: {string.Join(", ", cells.Zip(EqualKl.Columns).Skip(2).Where(cell => cell.First.Length > 0).Select(cell => $"{cell.Second} {cell.First}"))}"
            );
    }
}
