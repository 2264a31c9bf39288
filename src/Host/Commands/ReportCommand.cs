using System.CommandLine;
using DfPO.Host.Reports;

namespace DfPO.Host.Commands;

/// <summary><c>report</c>: studies and runs as one HTML file.</summary>
internal static class ReportCommand
{
    public static Command Create()
    {
        var paths = new Argument<string[]>("study-or-run") { Description = "Folders of studies and runs.", Arity = ArgumentArity.OneOrMore };
        var output = Options.Of("--out", "The file.", "report.html");
        var title = Options.Optional<string>("--title", "Title of the page; by default the folders' names.");
        var decodings = new Option<string[]>("--decodings") { Description = "Files of 'dfpo eval --json': decodings to draw beside the runs' own, reward against KL.", AllowMultipleArgumentsPerToken = true };
        var command = new Command("report", """
            Write a report that opens offline: learning curves with bands over seeds, score against naturalness, tables with intervals, continuations,
            configurations and versions. Example:
              dfpo report runs/imdb-tiny-claim --out report.html
              dfpo report runs/NAME --decodings decodings.jsonl
            """) { paths, output, title, decodings };
        command.SetAction(result =>
        {
            var folders = result.GetValue(paths)!;
            List<string> absent = [];
            var runs = ReportRun.Read(folders, absent.Add);
            var file = Path.GetFullPath(result.GetValue(output)!);
            var page = ReportPage.Write(result.GetValue(title) ?? string.Join(", ", folders.Select(folder => Path.GetFileName(Path.GetFullPath(folder).TrimEnd('/')))), runs, absent, [.. (result.GetValue(decodings) ?? []).SelectMany(MeasuredDecoding.Read)]);
            File.WriteAllText(file + ".partial", page);
            File.Move(file + ".partial", file, overwrite: true);
            Console.WriteLine($"{runs.Count} {(runs.Count == 1 ? "run" : "runs")} reported in {file}");
        });
        return command;
    }
}
