using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using DfPO.Host.Runs;
using DfPO.Host.Tests.Commands;

namespace DfPO.Host.Tests.EndToEnd;

/// <summary>The program as a user runs it: whole processes, a real cluster, real files.</summary>
public sealed class RunTests
{
    private static readonly string[] s_nlpo =
    [
        .. new[] { "learner.preset=nlpo", "learner.nlpo.top-p=0.5", "learner.nlpo.min-tokens-to-keep=5" }.SelectMany(s =>
            new[] { "--set", s }
        ),
    ];

    [Fact]
    public async Task A_run_ends_with_its_table_its_files_and_exit_code_0()
    {
        using var experiment = new TinyExperiment();
        var (exit, output, errors) = await DfpoProcess.Run([
            .. experiment.Run(),
            "--dashboard",
            "0",
            "--set",
            "tracking=[tensorboard]",
        ]);
        Assert.True(exit == 0, $"{output}\n{errors}");
        Assert.Contains("iteration 4/4", output);
        Assert.Contains("before", output);
        Assert.Contains("the page is at http://127.0.0.1:", errors);
        var folder = Assert.Single(experiment.RunFolders);
        foreach (var file in new[] { "experiment.conf", "versions.json", "metrics.jsonl", "samples.jsonl", "result.json" })
            Assert.True(File.Exists(Path.Combine(folder, file)), file);
        var iterations = File.ReadLines(Path.Combine(folder, "metrics.jsonl"))
            .Select(line => JsonNode.Parse(line)!)
            .Where(line => (string?)line["type"] == "iteration")
            .ToArray();
        Assert.Equal([1, 2, 3, 4], iterations.Select(line => (int)line["iteration"]!));
        Assert.All(iterations, line => Assert.True(double.IsFinite((double)line["objective/kl"]!)));
        Assert.True(File.Exists(Path.Combine(folder, "final", "model.safetensors")));
        Assert.Single(Directory.GetFiles(Path.Combine(folder, "tensorboard")));
        // Who looks at it finds what was learnt from, and who worked for it.
        var run = RunFolder.Open(folder);
        Assert.Equal([1, 2, 3, 4], run.Rollouts.Iterations());
        var texts = RolloutSummary.Read(run.Rollouts.Read(4));
        Assert.Equal((double)iterations[3]["rollout/reward"]!, texts.Average(text => text.Reward), 1e-3);
        var workers = ClusterView.Of(JsonLinesFile.Whole(run.Cluster)).Workers;
        Assert.Equal(["learner", "reward", "rollout"], workers.Select(worker => worker.Role).Distinct().Order());
        Assert.All(workers, worker => Assert.InRange(worker.Done, 4, 1000));
    }

    [Fact]
    public async Task The_number_of_workers_does_not_change_the_weights_and_the_seed_does()
    {
        using var experiment = new TinyExperiment();
        var one = await experiment.RunToEnd();
        // Nor does it change them whether what was learnt from is kept.
        Assert.Equal(one, await experiment.RunToEnd("--local-workers", "2", "--set", "record.rollouts=false"));
        Assert.NotEqual(one, await experiment.RunToEnd("--set", "seed=2"));
    }

    [Fact]
    public async Task A_run_under_nlpo_s_mask_draws_inside_it_and_ends_with_the_same_weights_by_other_workers()
    {
        using var experiment = new TinyExperiment();
        string[] settings =
        [
            .. s_nlpo,
            "--set",
            "learner.nlpo.refresh-every=2",
            "--set",
            "iterations=3",
            "--set",
            "evaluation.every=100",
            "--set",
            "rollout.unit-size=4",
        ];
        Assert.Equal(await experiment.RunToEnd(settings), await experiment.RunToEnd([.. settings, "--local-workers", "2"]));
        foreach (var folder in experiment.RunFolders)
            Assert.All(Iterations(folder), line => Assert.InRange((double)line["nlpo/outside_mask"]!, 0, 0.03));
        Assert.NotEqual(
            File.ReadAllBytes(Path.Combine(experiment.At("policy"), "model.safetensors")),
            File.ReadAllBytes(Path.Combine(experiment.RunFolders[0], "final", "model.safetensors"))
        );
    }

    // What is particular of it is tested by sessions, in seconds; to be run by hand, with -explicit on.
    [Fact(Explicit = true)]
    public async Task A_run_under_nlpo_s_mask_that_was_stopped_between_two_refreshes_ends_with_the_weights_it_would_have_had()
    {
        string[] settings = [.. s_nlpo, "--set", "learner.nlpo.refresh-every=7", "--set", "iterations=20", "--set", "evaluation.every=100"];
        using var experiment = new TinyExperiment();
        var whole = await experiment.RunToEnd(settings);
        using var run = RunningDfpo.Start(experiment.Run(settings));
        await run.Printed("iteration 2/20");
        Interrupts.SkipWhereIgnored();
        run.Interrupt();
        Assert.Equal(130, await run.Exit());
        var folder = experiment.RunFolders.Single(f => !File.Exists(Path.Combine(f, "result.json")));
        var (exit, output, errors) = await DfpoProcess.Run(["run", "--resume", folder, "--port", "0"]);
        Assert.True(exit == 0, $"{output}\n{errors}");
        Assert.Equal(whole, TinyExperiment.Digest(folder));
    }

    private static JsonNode[] Iterations(string folder) =>
        [
            .. File.ReadLines(Path.Combine(folder, "metrics.jsonl"))
                .Select(line => JsonNode.Parse(line)!)
                .Where(line => (string?)line["type"] == "iteration"),
        ];

    [Fact]
    public async Task A_run_stopped_by_Ctrl_C_exits_with_130_and_its_resumption_ends_with_the_weights_it_would_have_had()
    {
        // Enough iterations that it is still at work when the signal comes.
        string[] length = ["--set", "iterations=30"];
        using var experiment = new TinyExperiment();
        var whole = await experiment.RunToEnd(length);
        using var run = RunningDfpo.Start(experiment.Run(length));
        await run.Printed("iteration 1/30");
        Interrupts.SkipWhereIgnored();
        run.Interrupt();
        Assert.Equal(130, await run.Exit());
        Assert.Contains("--resume", run.Text);
        var folder = experiment.RunFolders.Single(f => !File.Exists(Path.Combine(f, "result.json")));
        var (exit, output, errors) = await DfpoProcess.Run(["run", "--resume", folder, "--port", "0"]);
        Assert.True(exit == 0, $"{output}\n{errors}");
        Assert.DoesNotContain("iteration 1/30", output);
        Assert.Equal(whole, TinyExperiment.Digest(folder));
        var recorded = File.ReadLines(Path.Combine(folder, "metrics.jsonl"))
            .Select(line => JsonNode.Parse(line)!)
            .Where(line => (string?)line["type"] == "iteration")
            .Select(line => (int)line["iteration"]!);
        Assert.Equal(Enumerable.Range(1, 30), recorded);
    }

    [Theory]
    [InlineData("learner.preset=dfpo-iclr")]
    [InlineData("learner.preset=ppo")]
    [InlineData("learner.preset=supervised")]
    [InlineData("learner.preset=rloo", "async.max-staleness=1")]
    [InlineData("learner.preset=dpo", "learner.dpo.pairs=offline", "task.preferences=pairs.jsonl")]
    [InlineData("model.dtype=bfloat16")]
    public Task Every_preset_runs_to_its_end_and_learns(params string[] settings) => Learns(settings);

    // The loop treats these as it does one of those above; to be run by hand, with -explicit on.
    [Theory(Explicit = true)]
    [InlineData("learner.preset=a2c")]
    [InlineData("learner.preset=trpo")]
    [InlineData("learner.preset=grpo")]
    [InlineData("learner.preset=reinforce-plus-plus")]
    [InlineData("learner.preset=dpo")]
    [InlineData("learner.preset=ppo-supervised")]
    public Task The_other_presets_do_so_too(params string[] settings) => Learns(settings);

    private static async Task Learns(string[] settings)
    {
        using var experiment = new TinyExperiment();
        string[] common = ["iterations=2", "rollout.unit-size=8", "evaluation.every=2"];
        await experiment.RunToEnd([
            .. common
                .Concat(settings)
                .SelectMany(setting => new[] { "--set", setting.Replace("pairs.jsonl", experiment.At("pairs.jsonl")) }),
        ]);
        Assert.NotEqual(
            File.ReadAllBytes(Path.Combine(experiment.At("policy"), "model.safetensors")),
            File.ReadAllBytes(Path.Combine(experiment.RunFolders.Single(), "final", "model.safetensors"))
        );
    }

    [Fact]
    public async Task An_objective_that_learns_from_references_names_the_prompt_that_has_none()
    {
        using var experiment = new TinyExperiment();
        File.AppendAllText(experiment.At("train.jsonl"), """{"id": "bare", "text": "This one"}""");
        var (exit, _, errors) = await DfpoProcess.Run(experiment.Run("--set", "learner.preset=supervised"));
        Assert.Equal(1, exit);
        Assert.Contains("Prompt 'bare' in", errors);
        Assert.Contains("[prompts/references]", errors);
    }

    [Fact]
    public async Task A_guard_that_stops_a_run_ends_it_with_code_1_and_one_error_and_one_that_warns_is_on_record()
    {
        using var experiment = new TinyExperiment();
        var (exit, output, errors) = await DfpoProcess.Run(
            experiment.Run(
                "--set",
                "learner.guards.entropy-collapse=warn",
                "--set",
                "learner.guards.min-entropy=50",
                "--set",
                "learner.max-kl=1e-9"
            )
        );
        Assert.Equal(1, exit);
        var error = Assert.Single(errors.Split('\n'), line => line.Contains("[learner/", StringComparison.Ordinal));
        Assert.EndsWith("[learner/kl-exploded]", error.Trim());
        Assert.Contains("The offending batch is in", error);
        Assert.Contains("[learner/entropy-collapsed]", output);
        var lines = File.ReadLines(Path.Combine(experiment.RunFolders.Single(), "metrics.jsonl"))
            .Select(line => JsonNode.Parse(line)!)
            .ToArray();
        Assert.Equal("learner/entropy-collapsed", (string?)lines.First(line => (string?)line["type"] == "warning")["code"]);
        Assert.Equal(1, (double?)lines.First(line => (string?)line["type"] == "iteration")["guards/warnings"]);
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
