using System.CommandLine;
using System.Text.Json.Nodes;
using DfPO.Actors.Experiments;
using DfPO.Host.Composition;
using DfPO.Host.Configuration;
using DfPO.Host.Runs;
using DfPO.Models;

namespace DfPO.Host.Commands;

/// <summary>
/// <c>replay</c>: a run again, with its units learnt in the order that its journal tells, and its weights compared after every iteration.
/// </summary>
internal static class ReplayCommand
{
    private static readonly RunOptions s_defaults = new();

    public static Command Create()
    {
        var run = new Argument<string>("run") { Description = "Folder of the run." };
        var runs = Options.Of("--runs-dir", "Folder that the replay's folder is made in.", s_defaults.RunsDirectory);
        var json = new Option<bool>("--json") { Description = "One JSON object a line on stdout." };
        var quiet = new Option<bool>("--quiet") { Description = "Only the final report." };
        var host = Options.Of("--host", "Name or address at which workers of other machines reach this one.", s_defaults.Host);
        var bind = Options.Bind();
        var port = Options.Port("--port", "Port of the cluster.", s_defaults.Port);
        var bulk = Options.Port("--bulk-port", "Port of the weight stream.");
        var processes = Options.AtLeast("--workers", "Rollout workers in processes of their own on this machine.", 0, 0);
        var workers = Options.Optional<int?>(
            "--local-workers",
            "Rollout workers in this process, instead of rollout.workers (with --workers: none); 0 waits for others to join."
        );
        workers.Validators.Add(result => Options.RequireAtLeast(result, "--local-workers", 0));
        var command = new Command(
            "replay",
            """
            Repeat a run from its journal and tell whether the weights are the same bits; exit code 1 when they are not. Example:
              dfpo replay runs/imdb-tiny-20260101-120000
            """
        )
        {
            run,
            runs,
            json,
            quiet,
            host,
            bind,
            port,
            bulk,
            processes,
            workers,
        };
        command.SetAction(
            (result, cancellation) =>
                Run(
                    result.GetValue(run)!,
                    new RunOptions
                    {
                        RunsDirectory = result.GetValue(runs)!,
                        Json = result.GetValue(json),
                        Quiet = result.GetValue(quiet),
                        Host = result.GetValue(host)!,
                        Bind = result.GetValue(bind) ?? "",
                        Port = result.GetValue(port),
                        BulkPort = result.GetValue(bulk),
                        WorkerProcesses = result.GetValue(processes),
                        LocalWorkers = result.GetValue(workers),
                    },
                    cancellation
                )
        );
        return command;
    }

    private static async Task<int> Run(string path, RunOptions options, CancellationToken cancellation)
    {
        var original = RunFolder.Open(path);
        var config = ExperimentFile.Load(original.Config);
        RunInputs.Check(original, config);
        // Before the replay: a run that is under way goes on meanwhile.
        var (learner, expected) = (RunLock.HolderOf(original.Path), original.FinalDigest());
        var replay = ReplayPlan.Of(config, new RunCheckpoints(original.Path).Journal.Read(), path);
        ExperimentValidation.Threads(replay.Config, options.LocalWorkersOf(replay.Config.Rollout));
        var folder = RunFolder.Create(options.RunsDirectory, replay.Config);
        replay.Write(new RunCheckpoints(folder.Path).Replayed);
        await RunSession.Execute(
            options,
            // A repetition is no run of its own to a tracker.
            replay.Config with { Tracking = [] },
            folder,
            cancellation,
            $"a replay begins at its beginning: dfpo replay {path}"
        );
        var digest = folder.FinalDigest()
            ?? throw new DfpoException(
                "run/corrupt",
                $"'{folder.Result}' was not written, so the final weights cannot be compared; stderr says why."
            );
        var verdict = replay.Compare(digest, expected, learner);
        Console.WriteLine(
            options.Json
                ? new JsonObject
                {
                    ["type"] = "replay",
                    ["equal"] = true,
                    ["iterations"] = replay.Lines.Count,
                    ["verdict"] = verdict,
                }.ToJsonString(JsonLinesFile.Format)
                : verdict
        );
        return 0;
    }
}
