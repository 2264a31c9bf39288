using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using DfPO.Host.Tests.Commands;

namespace DfPO.Host.Tests.EndToEnd;

/// <summary>The program as a user runs it: whole processes, a real cluster, real files.</summary>
public sealed class RunTests
{
    [Fact]
    public async Task A_run_ends_with_its_table_its_files_and_exit_code_0()
    {
        using var experiment = new TinyExperiment();
        var (exit, output, errors) = await DfpoProcess.Run(experiment.Run());
        Assert.True(exit == 0, $"{output}\n{errors}");
        Assert.Contains("iteration 4/4", output);
        Assert.Contains("before", output);
        var folder = Assert.Single(experiment.RunFolders);
        foreach (var file in new[] { "experiment.conf", "versions.json", "metrics.jsonl", "samples.jsonl", "result.json" })
            Assert.True(File.Exists(Path.Combine(folder, file)), file);
        var iterations = File.ReadLines(Path.Combine(folder, "metrics.jsonl")).Select(line => JsonNode.Parse(line)!).Where(line => (string?)line["type"] == "iteration").ToArray();
        Assert.Equal([1, 2, 3, 4], iterations.Select(line => (int)line["iteration"]!));
        Assert.All(iterations, line => Assert.True(double.IsFinite((double)line["objective/kl"]!)));
        Assert.True(File.Exists(Path.Combine(folder, "final", "model.safetensors")));
    }

    [Fact]
    public async Task The_number_of_workers_does_not_change_the_weights_and_the_seed_does()
    {
        using var experiment = new TinyExperiment();
        var one = await experiment.RunToEnd();
        Assert.Equal(one, await experiment.RunToEnd("--local-workers", "2"));
        Assert.NotEqual(one, await experiment.RunToEnd("--set", "seed=2"));
    }

    [Fact]
    public async Task A_run_stopped_by_Ctrl_C_exits_with_130_and_its_resumption_ends_with_the_weights_it_would_have_had()
    {
        // Enough iterations that it is still at work when the signal comes.
        string[] length = ["--set", "iterations=60"];
        using var experiment = new TinyExperiment();
        var whole = await experiment.RunToEnd(length);
        using var run = RunningDfpo.Start(experiment.Run(length));
        await run.Printed("iteration 1/60");
        run.Interrupt();
        Assert.Equal(130, await run.Exit());
        Assert.Contains("--resume", run.Text);
        var folder = experiment.RunFolders.Single(f => !File.Exists(Path.Combine(f, "result.json")));
        var (exit, output, errors) = await DfpoProcess.Run(["run", "--resume", folder, "--port", "0"]);
        Assert.True(exit == 0, $"{output}\n{errors}");
        Assert.DoesNotContain("iteration 1/60", output);
        Assert.Equal(whole, TinyExperiment.Digest(folder));
        var recorded = File.ReadLines(Path.Combine(folder, "metrics.jsonl")).Select(line => JsonNode.Parse(line)!).Where(line => (string?)line["type"] == "iteration").Select(line => (int)line["iteration"]!);
        Assert.Equal(Enumerable.Range(1, 60), recorded);
    }

    [Theory]
    [InlineData("learner.preset=dfpo-iclr")]
    [InlineData("learner.preset=ppo")]
    [InlineData("model.dtype=bfloat16")]
    public async Task Every_preset_runs_to_its_end(string setting)
    {
        using var experiment = new TinyExperiment();
        await experiment.RunToEnd("--set", setting, "--set", "iterations=2");
    }

    [Fact]
    public async Task A_port_in_use_is_one_clear_error()
    {
        using var experiment = new TinyExperiment();
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port;
        var (exit, _, errors) = await DfpoProcess.Run([.. experiment.Run().Where(a => a is not ("--port" or "0")), "--port", $"{port}"]);
        Assert.Equal(1, exit);
        Assert.Contains($"127.0.0.1:{port}", errors);
        Assert.Contains("[host/port-in-use]", errors);
    }
}
