using System.Text.Json.Nodes;
using DfPO.Actors;
using DfPO.Actors.Security;
using DfPO.Host.Tests.Commands;

namespace DfPO.Host.Tests.EndToEnd;

/// <summary>Generation beside learning, in real processes, and its replay.</summary>
[Collection(WholeProcesses.Name)]
public sealed class AsyncRunTests
{
    private const string JoinHint = "dfpo worker --join ";
    private static readonly string[] s_async = ["--set", "async.max-staleness=2"];

    [Fact]
    public async Task An_asynchronous_run_with_engines_in_two_processes_is_replayed_bit_for_bit_and_a_wrong_order_is_noticed()
    {
        using var experiment = new TinyExperiment();
        string folder;
        using (var run = RunningDfpo.Start(experiment.Run([.. s_async, "--set", "iterations=6"])))
        using (var worker = RunningDfpo.Start(["worker", "--join", await run.Printed(JoinHint), "--role", "rollout"]))
        {
            Assert.True(await run.Exit() == 0, run.Text);
            Assert.Equal(0, await worker.Exit());
            folder = Assert.Single(experiment.RunFolders);
        }
        var metrics = Lines(Path.Combine(folder, "metrics.jsonl")).Where(line => (string?)line["type"] == "iteration").ToArray();
        Assert.All(metrics, line => Assert.Equal(8, Enumerable.Range(0, 3).Sum(age => (double)line[$"async/staleness_{age}"]!)));
        Assert.Contains(metrics, line => (double)line["async/staleness_max"]! == 2);

        var (exit, output, errors) = await Replay(experiment, folder);
        Assert.True(exit == 0, $"{output}\n{errors}");
        Assert.Contains("The replay is equal: the weights of all 6 iterations are the run's", output);
        var replayed = experiment.RunFolders.Single(other => other != folder);
        Assert.Equal(File.ReadAllText(Path.Combine(folder, "journal.jsonl")), File.ReadAllText(Path.Combine(replayed, "journal.jsonl")));
        Assert.Equal(TinyExperiment.Digest(folder), TinyExperiment.Digest(replayed));

        var journal = Lines(Path.Combine(folder, "journal.jsonl"));
        var units = journal[1]["units"]!.AsArray();
        var first = units[0]!;
        units.RemoveAt(0);
        units.Add(first);
        File.WriteAllLines(Path.Combine(folder, "journal.jsonl"), journal.Select(line => line.ToJsonString()));
        (exit, _, errors) = await Replay(experiment, folder);
        Assert.Equal(1, exit);
        Assert.Contains("iteration 2 is the first with other weights", errors);
        Assert.Contains("[replay/differs]", errors);
    }

    [Fact]
    public async Task An_asynchronous_run_that_was_stopped_and_resumed_is_replayed_bit_for_bit()
    {
        string[] length = [.. s_async, "--set", "iterations=20", "--set", "evaluation.every=100"];
        using var experiment = new TinyExperiment();
        using var run = RunningDfpo.Start(experiment.Run(length));
        await run.Printed("iteration 2/20");
        Interrupts.SkipWhereIgnored();
        run.Interrupt();
        Assert.Equal(130, await run.Exit());
        var folder = Assert.Single(experiment.RunFolders);
        var (exit, output, errors) = await DfpoProcess.Run(["run", "--resume", folder, "--port", "0"]);
        Assert.True(exit == 0, $"{output}\n{errors}");
        var numbers = Lines(Path.Combine(folder, "journal.jsonl"))
            .SelectMany(line => line["units"]!.AsArray())
            .Select(unit => (int)unit!["number"]!);
        Assert.Equal(Enumerable.Range(0, 80), numbers.Order());

        (exit, output, errors) = await Replay(experiment, folder, "--json");
        Assert.True(exit == 0, $"{output}\n{errors}");
        Assert.True((bool)JsonNode.Parse(output.Trim().Split('\n')[^1])!["equal"]!);
    }

    [Fact]
    public async Task A_standby_goes_on_with_an_asynchronous_run_over_TLS_and_the_whole_is_replayed_bit_for_bit()
    {
        const int Iterations = 40;
        using var experiment = new TinyExperiment();
        string[] Certificate(string name)
        {
            var files = CertificateAuthority.Open(experiment.At("authority")).Issue(name, ["127.0.0.1"], ClusterRoles.All, 1);
            return ["--tls-ca", files.Ca, "--tls-cert", files.Certificate, "--tls-key", files.Key];
        }
        using var run = RunningDfpo.Start(
            experiment.Run([
                .. s_async,
                "--local-workers",
                "0",
                "--set",
                $"iterations={Iterations}",
                "--set",
                "evaluation.every=100",
                "--set",
                "checkpoint.every=1",
                .. Certificate("learner"),
            ])
        );
        var address = (await run.Printed(JoinHint)).Split(' ')[0];
        await run.Printed("tiny: starts");
        var folder = Assert.Single(experiment.RunFolders);
        using var standby = RunningDfpo.Start([
            "worker",
            "--join",
            address,
            "--role",
            "learner-standby",
            "--run",
            folder,
            .. Certificate("standby"),
        ]);
        await standby.Printed("standing by");
        using var worker = RunningDfpo.Start(["worker", "--join", address, "--patience", "120", .. Certificate("worker")]);
        await run.Printed($"iteration 2/{Iterations}");
        run.Kill();
        await standby.Printed("this process is the learner now");
        Assert.True(await standby.Exit() == 0, standby.Text + worker.Text);
        Assert.Equal(0, await worker.Exit());

        var (exit, output, errors) = await Replay(experiment, folder);
        Assert.True(exit == 0, $"{output}\n{errors}");
        Assert.Contains($"the weights of all {Iterations} iterations are the run's", output);
    }

    [Fact]
    public async Task A_run_without_an_update_cannot_be_replayed()
    {
        using var experiment = new TinyExperiment();
        var folder = Directory.CreateDirectory(experiment.At("empty")).FullName;
        File.Copy(experiment.At("tiny.conf"), Path.Combine(folder, "experiment.conf"));
        var (exit, _, errors) = await Replay(experiment, folder);
        Assert.Equal(1, exit);
        Assert.Contains("has no journal.jsonl", errors);
        Assert.Contains("[replay/journal]", errors);
        Assert.Empty(experiment.RunFolders);
    }

    private static Task<(int ExitCode, string Output, string Errors)> Replay(
        TinyExperiment experiment,
        string folder,
        params string[] more
    ) => DfpoProcess.Run(["replay", folder, "--runs-dir", experiment.Runs, "--port", "0", .. more]);

    private static JsonObject[] Lines(string path) => [.. File.ReadLines(path).Select(line => JsonNode.Parse(line)!.AsObject())];
}
