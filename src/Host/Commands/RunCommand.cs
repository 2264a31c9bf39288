using System.CommandLine;
using DfPO.Host.Composition;
using DfPO.Host.Configuration;
using DfPO.Host.Dashboard;
using DfPO.Host.Runs;
using DfPO.Models;

namespace DfPO.Host.Commands;

/// <summary><c>run</c>: an experiment from its first iteration, or from where it stopped, to its before/after table.</summary>
internal static class RunCommand
{
    private static readonly RunOptions s_defaults = new();

    public static Command Create()
    {
        var experiment = new Argument<string?>("experiment")
        {
            Description = $"HOCON file of the experiment; without it {ExperimentFile.Default}.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var settings = Options.Settings();
        var resume = Options.Optional<string>("--resume", "Folder of a run to go on with.");
        var runs = Options.Of("--runs-dir", "Folder that the run's folder is made in.", s_defaults.RunsDirectory);
        var json = new Option<bool>("--json") { Description = "One JSON object a line on stdout." };
        var quiet = new Option<bool>("--quiet") { Description = "Only the final report." };
        var host = Options.Of("--host", "Name or address at which workers of other machines reach this one.", s_defaults.Host);
        var bind = Options.Bind();
        var port = Options.Port("--port", "Port of the cluster.", s_defaults.Port);
        var bulk = Options.Port("--bulk-port", "Port of the weight stream.");
        var processes = Options.AtLeast(
            "--workers",
            "Rollout workers in processes of their own on this machine; one that dies is started again.",
            0,
            0
        );
        var workers = Options.Optional<int?>(
            "--local-workers",
            "Rollout workers in this process, instead of rollout.workers (with --workers: none); 0 waits for others to join."
        );
        var stdin = new Option<bool>("--stop-with-stdin")
        {
            Description = "Stop, as by Ctrl-C, when stdin ends: for a program that starts this one and may die.",
        };
        var page = new Option<int?>("--dashboard")
        {
            Description =
                $"Serves a live page of the runs' folder on loopback while the run goes on, at port {DashboardServer.DefaultPort} or the one given; 0 takes a free one.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        page.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && int.TryParse(result.Tokens[0].Value, out var value) && value is < 0 or > 65535)
                result.AddError($"--dashboard '{value}' must be between 0 and 65535.");
        });
        var traces = Options.TraceUrl();
        var tls = new TlsFileOptions();
        var watch = new NodeWatchOptions();
        workers.Validators.Add(result => Options.RequireAtLeast(result, "--local-workers", 0));
        var command = new Command(
            "run",
            """
            Run an experiment. Examples:
              dfpo run
              dfpo run hocon/experiments/imdb-tiny-ppo.conf --set iterations=20
              dfpo run --workers 3
              dfpo run --dashboard
              dfpo run --resume runs/imdb-tiny-20260101-120000
            """
        )
        {
            experiment,
            settings,
            resume,
            runs,
            json,
            quiet,
            host,
            bind,
            port,
            bulk,
            processes,
            workers,
            stdin,
            page,
            traces,
        };
        tls.AddTo(command);
        watch.AddTo(command);
        command.SetAction(
            (result, cancellation) =>
                Run(
                    result.GetValue(experiment),
                    result.GetValue(settings) ?? [],
                    new RunOptions
                    {
                        Resume = result.GetValue(resume),
                        RunsDirectory = result.GetValue(runs)!,
                        Json = result.GetValue(json),
                        Quiet = result.GetValue(quiet),
                        Host = result.GetValue(host)!,
                        Bind = result.GetValue(bind) ?? "",
                        Port = result.GetValue(port),
                        BulkPort = result.GetValue(bulk),
                        WorkerProcesses = result.GetValue(processes),
                        LocalWorkers = result.GetValue(workers),
                        Tls = tls.Read(result),
                        Watch = watch.Read(result),
                        DashboardPort = result.GetResult(page) is null ? null : result.GetValue(page) ?? DashboardServer.DefaultPort,
                        TraceUrl = result.GetValue(traces)!,
                    },
                    result.GetValue(stdin),
                    cancellation
                )
        );
        return command;
    }

    /// <summary>The default experiment with default options.</summary>
    public static Task<int> RunDefault(CancellationToken cancellation) => Run(null, [], s_defaults, false, cancellation);

    private static async Task<int> Run(
        string? experiment,
        string[] settings,
        RunOptions options,
        bool stopWithStdin,
        CancellationToken cancellation
    )
    {
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        if (stopWithStdin)
            _ = StopWithStdin(stopping);
        if (options.Resume is not null && experiment is not null)
            throw new DfpoException(
                "usage/resume",
                "A resumed run takes its experiment from its own folder: leave the experiment file out."
            );
        var folder = options.Resume is { } path ? RunFolder.Open(path) : null;
        var config = (folder?.Config ?? experiment) is { } file
            ? ExperimentFile.Load(file, settings)
            : ExperimentFile.LoadDefault(settings);
        ExperimentValidation.Threads(config, options.LocalWorkersOf(config.Rollout));
        await using var server = options.DashboardPort is { } port
            ? await DashboardCommand.Serve(
                folder is null ? Path.GetFullPath(options.RunsDirectory) : Path.GetDirectoryName(folder.Path)!,
                port,
                options.TraceUrl
            )
            : null;
        folder ??= RunFolder.Create(options.RunsDirectory, config);
        if (server is not null)
            server.Runs.Focus = Path.GetFileName(folder.Path);
        return await RunSession.Execute(options, config, folder, stopping.Token);
    }

    private static async Task StopWithStdin(CancellationTokenSource stopping)
    {
        await Task.Run(() => Console.OpenStandardInput().CopyTo(Stream.Null));
        try
        {
            await stopping.CancelAsync();
        }
        catch (ObjectDisposedException)
        {
            // The run ended first.
        }
    }
}
