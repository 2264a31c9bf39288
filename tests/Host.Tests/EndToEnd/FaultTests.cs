namespace DfPO.Host.Tests.EndToEnd;

/// <summary>
/// Whatever joins, leaves or dies, the run ends with the weights it would have had. Whole processes, killed with SIGKILL.
/// </summary>
[Collection(WholeProcesses.Name)]
public sealed class FaultTests(BundledExperiment experiment) : IClassFixture<BundledExperiment>
{
    private const string JoinHint = "dfpo worker --join ";

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    public async Task The_number_of_worker_processes_does_not_change_the_weights(int workers)
    {
        // Each worker fetches from the one before it.
        var name = $"workers-{workers}";
        using var run = RunningDfpo.Start(experiment.Run(name, "--workers", $"{workers}", "--set", "rollout.relay-fan-out=1"));
        Assert.True(await run.Exit() == 0, run.Text);
        Assert.Contains($"workers: {workers} rollout", run.Text);
        experiment.AssertUndisturbed(name);
    }

    [Fact]
    public async Task Workers_that_are_killed_stopped_and_added_on_the_way_do_not_change_the_weights()
    {
        using var run = RunningDfpo.Start(experiment.Run("elastic", "--local-workers", "0"));
        var join = await run.Printed(JoinHint);
        using var killed = RunningDfpo.Start(["worker", "--join", join]);
        await run.Printed("iteration 1/");
        using var stopped = RunningDfpo.Start(["worker", "--join", join]);
        await run.Printed("workers: 2 rollout");
        killed.Kill();
        await run.Printed("iteration 3/");
        using var added = RunningDfpo.Start(["worker", "--join", join]);
        Interrupts.SkipWhereIgnored();
        stopped.Interrupt();
        Assert.Equal(130, await stopped.Exit());
        Assert.True(await run.Exit() == 0, run.Text);
        // With the others gone, it is the added one that ended the run.
        Assert.Equal(0, await added.Exit());
        experiment.AssertUndisturbed("elastic");
    }

    [Fact]
    public async Task A_reward_worker_that_is_killed_is_replaced_by_another()
    {
        using var run = RunningDfpo.Start(experiment.Run("rewards", "--set", "rollout.reward-workers=0"));
        var join = await run.Printed(JoinHint);
        using var killed = RunningDfpo.Start(["worker", "--join", join, "--role", "reward"]);
        await run.Printed("iteration 2/");
        killed.Kill();
        using var added = RunningDfpo.Start(["worker", "--join", join, "--role", "reward"]);
        Assert.True(await run.Exit() == 0, run.Text);
        experiment.AssertUndisturbed("rewards");
    }

    [Fact]
    public async Task A_learner_that_is_killed_and_resumed_finds_its_workers_waiting()
    {
        var port = FreePort();
        using var run = RunningDfpo.Start(experiment.RunAt(port, "resumed", "--local-workers", "0"));
        using var worker = RunningDfpo.Start(["worker", "--join", await run.Printed(JoinHint), "--patience", "120"]);
        await run.Printed("iteration 2/");
        run.Kill();
        using var resumed = RunningDfpo.Start([
            "run",
            "--resume",
            experiment.Folder("resumed"),
            "--local-workers",
            "0",
            "--port",
            $"{port}",
        ]);
        await resumed.Printed("goes on after iteration");
        Assert.True(await resumed.Exit() == 0, resumed.Text + worker.Text);
        Assert.True(await worker.Exit() == 0, worker.Text);
        Assert.Contains("lost the learner", worker.Text);
        experiment.AssertUndisturbed("resumed");
    }

    [Fact]
    public async Task A_standby_takes_over_when_the_learner_is_killed()
    {
        using var run = RunningDfpo.Start(experiment.Run("standby", "--local-workers", "0"));
        var join = await run.Printed(JoinHint);
        await run.Printed("imdb-tiny: starts");
        using var worker = RunningDfpo.Start(["worker", "--join", join, "--patience", "120"]);
        using var standby = RunningDfpo.Start([
            "worker",
            "--join",
            join,
            "--role",
            "learner-standby",
            "--run",
            experiment.Folder("standby"),
        ]);
        await standby.Printed("standing by");
        await run.Printed("iteration 2/");
        run.Kill();
        await standby.Printed("this process is the learner now");
        Assert.True(await standby.Exit() == 0, standby.Text + worker.Text);
        Assert.Equal(0, await worker.Exit());
        experiment.AssertUndisturbed("standby");
    }

    [Fact]
    public async Task A_standby_that_is_not_needed_ends_with_the_run()
    {
        using var run = RunningDfpo.Start(experiment.Run("unneeded"));
        using var standby = RunningDfpo.Start([
            "worker",
            "--join",
            await run.Printed(JoinHint),
            "--role",
            "learner-standby",
            "--run",
            experiment.Folder("unneeded"),
        ]);
        await standby.Printed("standing by");
        Assert.Equal(0, await run.Exit());
        Assert.True(await standby.Exit() == 0, standby.Text);
        Assert.Contains("finished by another process", standby.Text);
        experiment.AssertUndisturbed("unneeded");
    }

    [Fact]
    public async Task A_run_folder_in_use_cannot_be_resumed_a_second_time()
    {
        using var run = RunningDfpo.Start(experiment.Run("locked", "--local-workers", "0"));
        await run.Printed(JoinHint);
        await run.Printed("imdb-tiny: starts");
        using var second = RunningDfpo.Start(["run", "--resume", experiment.Folder("locked"), "--port", "0"]);
        Assert.Equal(1, await second.Exit());
        Assert.Contains("[run/locked]", second.Text);
        Interrupts.SkipWhereIgnored();
        run.Interrupt();
        Assert.Equal(130, await run.Exit());
    }

    [Fact]
    public async Task A_worker_without_a_learner_gives_up_with_one_clear_error()
    {
        using var worker = RunningDfpo.Start(["worker", "--join", $"127.0.0.1:{FreePort()}", "--patience", "2"]);
        Assert.Equal(1, await worker.Exit());
        Assert.Contains("[worker/no-learner]", worker.Text);
    }

    [Fact]
    public async Task A_worker_with_another_model_is_refused_with_the_reason_on_both_sides()
    {
        using var run = RunningDfpo.Start(experiment.Run("refused", "--local-workers", "0"));
        var join = await run.Printed(JoinHint);
        using var other = RunningDfpo.Start(["worker", "--join", join, "--model", Repository.Path("models/imdb-tiny/reward")]);
        Assert.Equal(1, await other.Exit());
        Assert.Contains("[worker/refused]", other.Text);
        await run.Printed("was refused: its model folder has fingerprint");
        using var same = RunningDfpo.Start(["worker", "--join", join, "--model", Repository.Path("models/imdb-tiny/policy")]);
        Assert.True(await run.Exit() == 0, run.Text);
        experiment.AssertUndisturbed("refused");
    }

    private static int FreePort()
    {
        using var probe = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        probe.Start();
        return ((System.Net.IPEndPoint)probe.LocalEndpoint).Port;
    }
}
