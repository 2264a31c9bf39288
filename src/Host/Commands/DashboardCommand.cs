using System.CommandLine;
using DfPO.Host.Composition;
using DfPO.Host.Dashboard;
using DfPO.Host.Runs;
using DfPO.Models;

namespace DfPO.Host.Commands;

/// <summary><c>dashboard</c>: the live page of a folder of runs.</summary>
internal static class DashboardCommand
{
    public static Command Create()
    {
        var runs = new Argument<string>("runs")
        {
            Description = "Folder that the runs' folders are in, or one run's.",
            DefaultValueFactory = _ => new RunOptions().RunsDirectory,
        };
        var port = Options.Port("--port", "Port of the page, on loopback.", DashboardServer.DefaultPort);
        var traces = Options.TraceUrl();
        var command = new Command(
            "dashboard",
            """
            Serve a page of all runs, running or done, until Ctrl-C: curves, workers, texts token by token, studies. It listens on loopback alone and reads
            the runs' folders. Examples:
              dfpo dashboard
              dfpo dashboard runs --trace-url http://localhost:16686/trace/{trace}
            """
        )
        {
            runs,
            port,
            traces,
        };
        command.SetAction(
            async (result, cancellation) =>
            {
                var folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(result.GetValue(runs)!));
                var one = RunFolder.IsOne(folder);
                if (!Directory.Exists(folder))
                    throw new DfpoException("runs/missing", $"'{folder}' does not exist: give the folder that runs are made in.");
                await using var server = await Serve(
                    one ? Path.GetDirectoryName(folder)! : folder,
                    result.GetValue(port),
                    result.GetValue(traces)!
                );
                server.Runs.Focus = one ? Path.GetFileName(folder) : "";
                await Task.Delay(Timeout.InfiniteTimeSpan, cancellation).ContinueWith(_ => { }, TaskScheduler.Default);
            }
        );
        return command;
    }

    /// <summary>Starts the page and says where.</summary>
    /// <param name="root">Folder of the runs.</param>
    /// <param name="port">Its port; 0 takes a free one.</param>
    /// <param name="traceUrl">Address of a trace; empty for none.</param>
    public static async Task<DashboardServer> Serve(string root, int port, string traceUrl)
    {
        var shelf = new RunShelf(root, traceUrl, line => Console.Error.WriteLine($"dfpo: left out: {line}"));
        var server = await DashboardServer.Start(shelf, port);
        Console.Error.WriteLine($"dfpo: the page is at {server.Address}");
        return server;
    }
}
