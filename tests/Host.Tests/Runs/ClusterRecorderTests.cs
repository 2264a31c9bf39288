using DfPO.Actors.Configuration;
using DfPO.Actors.Work;
using DfPO.Host.Reporting;
using DfPO.Host.Runs;

namespace DfPO.Host.Tests.Runs;

public sealed class ClusterRecorderTests : IDisposable
{
    private static readonly DateTimeOffset s_start = DateTimeOffset.FromUnixTimeMilliseconds(1_000_000);
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Who_worked_at_what_and_who_was_turned_away_is_read_back()
    {
        var run = RunFolder.Create(_folder.Path, new ExperimentConfig());
        var recorder = new ClusterRecorder(run);
        Tell(recorder, 0, "w1", WorkEventKind.Joined, what => what with { Device = "cpu" });
        // A worker that joined before the learner had loaded is known too.
        recorder.Started(new ExperimentConfig(), 0);
        Tell(recorder, 10, "w2", WorkEventKind.Rejected, what => what with { Reason = "it is version 0" });
        Tell(recorder, 20, "w1", WorkEventKind.Fetches, what => what with { Version = 4 });
        Tell(recorder, 50, "w1", WorkEventKind.Assigned, what => what with { Unit = "u1", Version = 4 });
        var busy = View(run).Workers.Single(worker => worker.Id == "w1");
        Assert.Equal(("working", "u1", 4), (busy.State, busy.Unit, busy.Version));
        Tell(recorder, 300, "w1", WorkEventKind.Done, what => what with { Unit = "u1", Count = 128 });
        Tell(recorder, 310, "w1", WorkEventKind.Assigned, what => what with { Unit = "u2", Version = 4 });
        Tell(recorder, 320, "w1", WorkEventKind.Failed, what => what with { Unit = "u2", Reason = "no memory" });
        Tell(recorder, 330, "w1", WorkEventKind.Refused, what => what with { Unit = "u1", Reason = "Duplicate" });
        recorder.Happened(
            new("learner", "learner", WorkEventKind.Done)
            {
                Unit = "iteration-1",
                Took = TimeSpan.FromMilliseconds(90),
                Count = 64,
                Version = 1,
            },
            s_start.AddMilliseconds(500)
        );
        var view = View(run);
        Assert.Equal(["w1", "w2", "learner"], view.Workers.Select(worker => worker.Id));
        var (first, second) = (view.Workers[0], view.Workers[1]);
        Assert.Equal(
            (1, 1, 1, 128L, 250L, "cpu", "idle"),
            (first.Done, first.Refused, first.Failed, first.Count, first.Busy, first.Device, first.State)
        );
        Assert.Equal(("rejected", "it is version 0"), (second.State, second.Reason));
        Assert.Equal([("w1", 1_000_050L, 250L), ("learner", 1_000_410L, 90L)], view.Done.Select(s => (s.Worker, s.Start, s.Milliseconds)));
        // A resumed run's learner begins with nobody.
        new ClusterRecorder(run).Started(new ExperimentConfig(), 1);
        Assert.Equal(["gone", "rejected", "gone"], View(run).Workers.Select(worker => worker.State));
        Assert.Equal(1, View(run).Workers[0].Done);
    }

    [Fact]
    public void A_long_run_keeps_its_counts_when_its_older_lines_go()
    {
        var run = RunFolder.Create(_folder.Path, new ExperimentConfig());
        var recorder = new ClusterRecorder(run, most: 5_000);
        recorder.Started(new ExperimentConfig(), 0);
        Tell(recorder, 0, "w1", WorkEventKind.Joined, what => what with { Device = "cpu" });
        for (var i = 1; i <= 200; i++)
        {
            Tell(recorder, 10 * i, "w1", WorkEventKind.Assigned, what => what with { Unit = $"u{i}" });
            Tell(recorder, 10 * i + 5, "w1", WorkEventKind.Done, what => what with { Unit = $"u{i}", Count = 2 });
            Assert.InRange(new FileInfo(run.Cluster).Length, 1, 6_000);
        }
        var worker = Assert.Single(View(run).Workers);
        Assert.Equal((200, 400L, 1000L, "cpu"), (worker.Done, worker.Count, worker.Busy, worker.Device));
        Assert.Equal("u200", View(run).Done.Last().Unit);
    }

    private static ClusterView View(RunFolder run) => ClusterView.Of(JsonLinesFile.Whole(run.Cluster));

    private static void Tell(
        ClusterRecorder recorder,
        int milliseconds,
        string worker,
        WorkEventKind kind,
        Func<WorkEvent, WorkEvent> more
    ) => recorder.Happened(more(new("rollout", worker, kind)), s_start.AddMilliseconds(milliseconds));
}
