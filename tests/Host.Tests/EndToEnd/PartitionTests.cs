namespace DfPO.Host.Tests.EndToEnd;

/// <summary>
/// A cable is pulled: the side with the learner goes on, the other one stops itself and says so, and there are never two learners.
/// </summary>
[Trait("Category", "Partition")]
[Collection(WholeProcesses.Name)]
public sealed class PartitionTests : IDisposable
{
    private readonly DirectoryInfo _runs = Directory.CreateTempSubdirectory("dfpo-partition");
    private static readonly string s_join = $"{NetworkNamespaces.Address(1)}:4053";

    [Fact]
    public async Task A_worker_that_is_cut_off_stops_and_the_run_goes_on()
    {
        using var network = new NetworkNamespaces(2);
        using var run = Learner(network);
        await run.Printed("imdb-tiny: starts");
        using var worker = RunningDfpo.Start(
            ["worker", "--join", s_join, "--host", NetworkNamespaces.Address(2), "--patience", "5"],
            launcher: network.On(2)
        );
        await worker.Printed("joined the run");
        network.Cut(2);
        await run.Printed("out of sight: its unit is handed out again");
        await worker.Printed("cut off from the cluster");
        Assert.Equal(1, await worker.Exit());
        Assert.Contains("[worker/no-learner]", worker.Text);
        await AssertGoesOn(run);
    }

    [Fact]
    public async Task A_standby_that_cannot_see_the_learner_does_not_become_a_second_one()
    {
        using var network = new NetworkNamespaces(3);
        using var run = Learner(network);
        await run.Printed("imdb-tiny: starts");
        using var standby = RunningDfpo.Start(
            [
                "worker",
                "--join",
                s_join,
                "--host",
                NetworkNamespaces.Address(2),
                "--role",
                "learner-standby",
                "--run",
                _runs.GetDirectories().Single().FullName,
                "--patience",
                "5",
            ],
            launcher: network.On(2)
        );
        await standby.Printed("standing by");
        using var worker = RunningDfpo.Start(
            ["worker", "--join", s_join, "--host", NetworkNamespaces.Address(3), "--patience", "5"],
            launcher: network.On(3)
        );
        await worker.Printed("joined the run");
        network.Cut(1);
        Assert.Equal(1, await standby.Exit());
        Assert.Contains("[run/locked]", standby.Text);
        Assert.DoesNotContain("is the learner now", standby.Text);
        Assert.Equal(1, await worker.Exit());
        await AssertGoesOn(run);
    }

    public void Dispose() => _runs.Delete(recursive: true);

    /// <summary>A run that ends only when it is told to.</summary>
    private RunningDfpo Learner(NetworkNamespaces network) =>
        RunningDfpo.Start(
            BundledRun.Arguments(_runs.FullName, 4053, "--host", NetworkNamespaces.Address(1), "--set", "iterations=100000"),
            launcher: network.On(1)
        );

    private static async Task AssertGoesOn(RunningDfpo run)
    {
        await run.Printed("/100000:", run.Count("/100000:") + 2);
        Interrupts.SkipWhereIgnored();
        run.Interrupt();
        Assert.Equal(130, await run.Exit());
    }
}
