using System.Text.Json.Nodes;
using DfPO.Host.Tests.Telemetry;
using DfPO.Models.Diagnostics;

namespace DfPO.Host.Tests.EndToEnd;

/// <summary>A learner without rollout workers of its own, and a second process that joins it.</summary>
[Collection(WholeProcesses.Name)]
public sealed class WorkerProcessTests
{
    private const string JoinHint = "dfpo worker --join ";
    private static readonly string s_toxicity = Repository.Path("models/toxicity-tiny");

    [Fact]
    public async Task A_worker_that_joins_gets_weights_and_work_and_the_run_ends_with_the_same_weights()
    {
        using var experiment = new TinyExperiment();
        var alone = await experiment.RunToEnd();
        using var run = RunningDfpo.Start(experiment.Run("--local-workers", "0"));
        using var worker = RunningDfpo.Start(["worker", "--join", await run.Printed(JoinHint), "--role", "rollout", "--device", "cpu"]);
        Assert.Equal(0, await run.Exit());
        Assert.Equal(0, await worker.Exit());
        Assert.Contains("workers: 1 rollout", run.Text);
        Assert.Equal(
            alone,
            TinyExperiment.Digest(
                experiment.RunFolders.Single(f => TinyExperiment.Digest(f) is not null && run.Text.Contains(Path.GetFileName(f)))
            )
        );
    }

    [Fact]
    public async Task A_reward_worker_of_another_process_fetches_the_reward_s_data_and_gives_the_same_weights()
    {
        using var experiment = new TinyExperiment();
        string[] reward =
        [
            "--set",
            "iterations=2",
            "--set",
            "task.reward-model=",
            "--set",
            "task.reward.kind=non-toxicity",
            "--set",
            $"task.reward.toxicity-model={s_toxicity}",
            "--set",
            "evaluation.metrics=[toxicity, diversity]",
        ];
        var alone = await experiment.RunToEnd(reward);
        var before = experiment.RunFolders;

        using var run = RunningDfpo.Start(experiment.Run([.. reward, "--set", "rollout.reward-workers=0"]));
        using var worker = RunningDfpo.Start(["worker", "--join", await run.Printed(JoinHint), "--role", "reward"]);

        Assert.Equal(0, await run.Exit());
        Assert.Equal(0, await worker.Exit());
        var folder = experiment.RunFolders.Except(before).Single();
        Assert.Equal(alone, TinyExperiment.Digest(folder));
        var first = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "result.json")))!["before"]!;
        Assert.Equal(1, (double)first["reward"]! + (double)first["toxicity-mean"]!, 1e-5);
        Assert.InRange((double)first["distinct-1"]!, 0, 1);
        Assert.Contains("toxicity-expected-maximum", run.Text);
        Assert.Contains("eval/validation/policy/toxicity-mean", File.ReadAllText(Path.Combine(folder, "metrics.jsonl")));
    }

    [Fact]
    public async Task The_spans_of_an_iteration_form_one_tree_over_both_processes()
    {
        using var experiment = new TinyExperiment();
        await using var receiver = await OtlpReceiver.Start();
        using var run = RunningDfpo.Start(experiment.Run("--local-workers", "0", "--set", "iterations=2"), receiver.Settings);
        using var worker = RunningDfpo.Start(["worker", "--join", await run.Printed(JoinHint), "--role", "rollout"], receiver.Settings);
        Assert.Equal(0, await run.Exit());
        Assert.Equal(0, await worker.Exit());

        var spans = receiver.Spans;
        var root = Assert.Single(spans, s => s.Name == DfpoTelemetry.Spans.Iteration && s.Attributes[DfpoTelemetry.Tags.Iteration] == "2");
        Assert.Equal("", root.ParentSpanId);
        var trace = spans.Where(s => s.TraceId == root.TraceId).ToArray();
        var byId = trace.ToDictionary(s => s.SpanId);
        Assert.All(trace, s => Assert.True(s == root || byId.ContainsKey(s.ParentSpanId), $"{s.Name} has no parent in its trace"));
        string ParentOf(ReceivedSpan span) => byId[span.ParentSpanId].Name;
        ReceivedSpan[] Named(string name) => [.. trace.Where(s => s.Name == name)];

        // 8 prompts in units of 2: four rollout units and four reward units.
        Assert.Equal(8, Named(DfpoTelemetry.Spans.Unit).Length);
        Assert.All(Named(DfpoTelemetry.Spans.Unit), s => Assert.Equal(DfpoTelemetry.Spans.Iteration, ParentOf(s)));
        var generated = Named(DfpoTelemetry.Spans.Generate);
        Assert.Equal(4, generated.Length);
        Assert.All(generated, s => Assert.Equal(("dfpo-rollout", DfpoTelemetry.Spans.Unit), (s.Service, ParentOf(s))));
        Assert.All(Named(DfpoTelemetry.Spans.Decode), s => Assert.Equal(DfpoTelemetry.Spans.Generate, ParentOf(s)));
        Assert.Equal(4, Named(DfpoTelemetry.Spans.Decode).Length);
        Assert.Equal(4, Named(DfpoTelemetry.Spans.Score).Length);
        Assert.All(Named(DfpoTelemetry.Spans.Score), s => Assert.Equal(DfpoTelemetry.Spans.Unit, ParentOf(s)));
        var fetch = Assert.Single(Named(DfpoTelemetry.Spans.Fetch));
        Assert.Equal("dfpo-rollout", fetch.Service);
        Assert.Single(Named(DfpoTelemetry.Spans.Apply));
        Assert.Single(Named(DfpoTelemetry.Spans.Publish));

        var learn = Assert.Single(Named(DfpoTelemetry.Spans.Learn));
        Assert.Equal(DfpoTelemetry.Spans.Iteration, ParentOf(learn));
        Assert.Equal(Named(DfpoTelemetry.Spans.Unit).Select(s => s.SpanId).Order(), learn.Links.Select(l => l.SpanId).Order());
        Assert.Equal(2, Named(DfpoTelemetry.Spans.Epoch).Length);

        // Real durations: a parent's covers its children's, across every await between them.
        Assert.All(generated, s => Assert.True(byId[s.ParentSpanId].Duration >= s.Duration));
        Assert.All(generated, s => Assert.True(s.Duration > TimeSpan.FromMilliseconds(1)));
        Assert.True(root.Duration >= learn.Duration + generated.Max(s => s.Duration));
    }
}
