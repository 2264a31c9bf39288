using DfPO.Actors.Configuration;
using DfPO.Actors.Experiments;
using DfPO.Actors.Work;
using DfPO.Models;

namespace DfPO.Actors.Tests;

/// <summary>The loop with generation beside learning, and its replay.</summary>
public sealed class AsyncLoopTests : LoopTests
{
    private string Run => Path.Combine(Root, "run");

    [Fact]
    public async Task Later_iterations_are_on_their_way_while_the_learner_learns_and_all_units_are_learnt_once()
    {
        List<int> ahead = [];
        Services.BeforeLearn = _ => ahead.Add(Training().Count() - (2 * Services.Batches.Count) - 2);
        await Loop(Config(staleness: 2)).Run(default);
        Assert.Equal([4, 4, 2, 0], ahead);
        Assert.Equal([0, 0, 0, 1], Services.Batches.Select(batch => batch.Max(t => t.WeightsVersion)));
        Assert.Equal(Enumerable.Range(0, 8).Select(n => (long)n), Learnt());
        Assert.Equal(
            ["train-1 0", "train-2 0", "train-3 0", "train-4 1"],
            Training().Select(unit => $"{unit.Id.Value.Split('/')[0]} {unit.Weights.Version}").Distinct()
        );
        Assert.Equal(
            ["test-before", "validation-0", "train-1", "train-2", "train-3", "train-4", "validation-2", "validation-4", "test-after"],
            Services.Rounds()
        );
    }

    [Fact]
    public async Task A_step_of_the_learner_links_the_units_that_fed_it_whichever_iteration_submitted_them()
    {
        List<string[]> links = [];
        Services.BeforeLearn = learn =>
            links.Add([.. learn.Units.Select(span => Services.Spans.Single(pair => pair.Value == span).Key.Split('/')[0])]);
        await Loop(Config(staleness: 1)).Run(default);
        Assert.Equal(Enumerable.Range(1, 4).Select(i => Enumerable.Repeat($"train-{i}", 4)), links);
    }

    [Fact]
    public async Task Validations_are_of_the_weights_of_their_iteration()
    {
        await Loop(Config(staleness: 2)).Run(default);
        Assert.Equal(
            [("validation-0", 0), ("validation-2", 2), ("validation-4", 4)],
            Services
                .Units.OfType<RolloutUnit>()
                .Select(unit => (Name: unit.Id.Value.Split('/')[0], unit.Weights.Version))
                .Where(unit => unit.Name.StartsWith("validation"))
                .Distinct()
        );
    }

    [Fact]
    public async Task The_ages_of_an_iteration_s_continuations_are_in_its_metrics()
    {
        await Loop(Config(staleness: 1)).Run(default);
        var metrics = Observer.Iterations.Select(report => report.Metrics).ToArray();
        Assert.Equal([(4, 0), (0, 4), (0, 4), (0, 4)], metrics.Select(m => (m["async/staleness_0"], m["async/staleness_1"])));
        Assert.Equal([0, 1, 1, 1], metrics.Select(m => m["async/staleness_mean"]));
        Assert.Equal([0, 1, 1, 1], metrics.Select(m => m["async/staleness_max"]));
        Assert.All(metrics, m => Assert.True(m.ContainsKey("time/wait_rollout") && m["async/stale_dropped"] == 0));
    }

    [Fact]
    public async Task A_synchronous_run_has_no_such_metrics_and_learns_in_the_order_of_the_numbers()
    {
        await Loop(Config(staleness: 0)).Run(default);
        Assert.DoesNotContain(Observer.Iterations.SelectMany(report => report.Metrics.Keys), name =>
            name.StartsWith("async/") || name == "time/wait_rollout"
        );
        Assert.Equal(
            [
                [0, 1],
                [2, 3],
                [4, 5],
                [6, 7],
            ],
            Journal().Select(line => line.Units.Select(unit => unit.Number).ToArray())
        );
        Assert.Equal([0, 1, 2, 3], Services.Batches.SelectMany(batch => batch.Select(t => t.WeightsVersion!.Value)).Distinct());
    }

    [Fact]
    public async Task A_unit_that_takes_too_long_is_withdrawn_and_done_again_with_newer_weights()
    {
        var withdrawn = new TaskCompletionSource();
        Services.Gate = async (unit, cancellation) =>
        {
            if (unit is not RolloutUnit { Weights.Version: 0 } || !unit.Id.Value.StartsWith("train-2") || !unit.Id.Value.EndsWith("/0@0"))
                return;
            cancellation.Register(withdrawn.SetResult);
            await Task.Delay(Timeout.Infinite, cancellation);
        };
        await Loop(Config(staleness: 1)).Run(default);
        await withdrawn.Task.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal([0, 0, 1, 0], Observer.Iterations.Select(report => report.Metrics["async/stale_dropped"]));
        Assert.Equal(Enumerable.Range(0, 8).Select(n => (long)n), Learnt());
        Assert.Equal(2, Journal().SelectMany(line => line.Units).Single(unit => unit.Number == 2).Version);
        Assert.All(Journal(), line => Assert.InRange(line.Staleness, 0, 1));
    }

    [Fact]
    public async Task A_stopped_run_goes_on_with_exactly_the_units_that_were_not_learnt()
    {
        using var stop = new CancellationTokenSource();
        Services.BeforeLearn = _ => StopAt(Services.Batches.Count == 1, stop);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Loop(Config(staleness: 2)).Run(stop.Token));
        Assert.Equal(2, new RunCheckpoints(Run).Newest()!.Iteration);
        Assert.Equal(2, Journal().Count);
        Services.Reset();
        await Loop(Config(staleness: 2)).Run(default);
        Assert.Equal(4, Training().Count());
        Assert.All(Training(), unit => Assert.Equal(2, unit.Weights.Version));
        Assert.Equal(Enumerable.Range(0, 8).Select(n => (long)n), Learnt());
    }

    [Fact]
    public async Task A_run_whose_process_died_after_a_checkpoint_learns_the_later_updates_again()
    {
        var config = Config(staleness: 1) with
        {
            Checkpoint = new CheckpointOptions { Every = 2 },
            Iterations = 5,
        };
        Services.BeforeLearn = _ =>
        {
            if (Services.Batches.Count == 3)
                throw new DfpoException("run/actor-lost", "killed");
        };
        await Assert.ThrowsAsync<DfpoException>(() => Loop(config).Run(default));
        Assert.Equal((2, 4), (new RunCheckpoints(Run).Newest()!.Iteration, Journal().Count));
        Services.Reset();
        await Loop(config).Run(default);
        Assert.Equal(Enumerable.Range(0, 10).Select(n => (long)n), Learnt());
        Assert.Equal([1, 2, 3, 4, 5], Journal().Select(line => line.Iteration));
    }

    [Fact]
    public async Task A_replay_submits_with_the_journalled_weights_and_learns_in_the_journalled_order_whatever_the_order_of_arrival()
    {
        var late = new TaskCompletionSource();
        Services.Gate = (unit, _) =>
            unit is RolloutUnit && unit.Id.Value.StartsWith("train-1/") && unit.Id.Value.EndsWith("/0") ? late.Task : Task.CompletedTask;
        Services.BeforeLearn = _ => late.TrySetResult();
        await Loop(Config(staleness: 1)).Run(default);
        var original = File.ReadAllText(Path.Combine(Run, "journal.jsonl"));
        Assert.Equal([1, 2], Journal()[0].Units.Select(unit => unit.Number));

        ReplayIn(Run);
        await Loop(Config(staleness: 1)).Run(default);
        Assert.Equal(original, File.ReadAllText(Path.Combine(Run, "journal.jsonl")));
    }

    [Fact]
    public async Task A_synchronous_run_is_replayed_too()
    {
        await Loop(Config(staleness: 0)).Run(default);
        var original = Training().Select(unit => unit.Id.Value).ToArray();
        ReplayIn(Run);
        await Loop(Config(staleness: 0)).Run(default);
        Assert.Equal(original, Training().Select(unit => unit.Id.Value));
    }

    [Fact]
    public async Task A_replay_that_comes_to_other_weights_names_the_first_iteration_that_made_them()
    {
        await Loop(Config(staleness: 1)).Run(default);
        ReplayIn(Run);
        Services.DigestOfVersion = version => version < 2 ? $"digest-{version:D4}" : "other-weights";
        var error = await Assert.ThrowsAsync<DfpoException>(() => Loop(Config(staleness: 1)).Run(default));
        Assert.Equal("replay/differs", error.Code);
        Assert.Contains("iteration 2 is the first with other weights (other-weight instead of digest-0002)", error.Message);
        Assert.Equal(2, Services.Batches.Count);
    }

    [Fact]
    public async Task A_replay_from_another_policy_says_so_before_it_learns()
    {
        await Loop(Config(staleness: 1)).Run(default);
        ReplayIn(Run);
        Services.DigestOfVersion = _ => "other-weights";
        Assert.Contains(
            "starts from other weights",
            (await Assert.ThrowsAsync<DfpoException>(() => Loop(Config(staleness: 1)).Run(default))).Message
        );
        Assert.Empty(Services.Batches);
    }

    [Fact]
    public async Task A_replay_that_was_stopped_cannot_go_on()
    {
        await Loop(Config(staleness: 1)).Run(default);
        ReplayIn(Run);
        using var stop = new CancellationTokenSource();
        Services.BeforeLearn = _ => StopAt(true, stop);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Loop(Config(staleness: 1)).Run(stop.Token));
        Assert.Equal("replay/resume", (await Assert.ThrowsAsync<DfpoException>(() => Loop(Config(staleness: 1)).Run(default))).Code);
    }

    [Fact]
    public async Task A_unit_that_is_given_up_while_the_learner_learns_ends_the_run_with_its_reason_and_withdraws_the_others()
    {
        var withdrawn = new TaskCompletionSource();
        Services.Gate = async (unit, cancellation) =>
        {
            if (unit.Id.Value.EndsWith("/0@1"))
                throw new DfpoException("run/unit-abandoned", $"{unit.Id} is poisoned");
            if (unit.Id.Value.EndsWith("/1@1"))
            {
                cancellation.Register(withdrawn.SetResult);
                await withdrawn.Task;
            }
        };
        Assert.Equal("run/unit-abandoned", (await Assert.ThrowsAsync<DfpoException>(() => Loop(Config(staleness: 1)).Run(default))).Code);
        await withdrawn.Task.WaitAsync(TimeSpan.FromSeconds(30));
    }

    private static void StopAt(bool now, CancellationTokenSource stop)
    {
        if (now)
            stop.Cancel();
    }

    private ExperimentConfig Config(int staleness) => Config() with { Async = new AsyncOptions { MaxStaleness = staleness } };

    private IEnumerable<RolloutUnit> Training() => Services.Units.OfType<RolloutUnit>().Where(unit => unit.Id.Value.StartsWith("train"));

    private IReadOnlyList<JournalLine> Journal() => new RunCheckpoints(Run).Journal.Read();

    private IEnumerable<long> Learnt() => Journal().SelectMany(line => line.Units).Select(unit => unit.Number).Order();

    /// <summary>Puts a folder in the run's place that is to replay it.</summary>
    private void ReplayIn(string run)
    {
        var journal = File.ReadAllText(Path.Combine(run, "journal.jsonl"));
        Directory.Delete(run, recursive: true);
        Directory.CreateDirectory(run);
        File.WriteAllText(Path.Combine(run, "replayed.jsonl"), journal);
        Services.Reset();
    }
}
