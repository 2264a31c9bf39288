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
        var command = new Command("report", """
            Write a report that opens offline: learning curves with bands over seeds, score against naturalness, tables with intervals, continuations,
            configurations and versions. Example:
              dfpo report runs/imdb-tiny-claim --out report.html
            """) { paths, output, title };
        command.SetAction(result =>
        {
            var folders = result.GetValue(paths)!;
            List<string> absent = [];
            var runs = ReportRun.Read(folders, absent.Add);
            var file = Path.GetFullPath(result.GetValue(output)!);
            var page = ReportPage.Write(result.GetValue(title) ?? string.Join(", ", folders.Select(folder => Path.GetFileName(Path.GetFullPath(folder).TrimEnd('/')))), runs, absent);
            File.WriteAllText(file + ".partial", page);
            File.Move(file + ".partial", file, overwrite: true);
            Console.WriteLine($"{runs.Count} {(runs.Count == 1 ? "run" : "runs")} reported in {file}");
        });
        return command;
    }
}
