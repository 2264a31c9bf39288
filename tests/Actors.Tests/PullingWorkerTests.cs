using Akka.Actor;
using DfPO.Actors.Weights;
using DfPO.Actors.Work;
using DfPO.Models;
using DfPO.Tasks.Prompts;
using static DfPO.Actors.Work.WorkProtocol;

namespace DfPO.Actors.Tests;

public sealed class PullingWorkerTests
{
    private static readonly FakeRef s_queue = new("queue"),
        s_other = new("other");
    private static readonly WorkerSetup s_runA = new("http://a", "float32", "") { Run = "a", Fingerprint = "model" };
    private readonly List<WorkerEffect> _effects = [];
    private PullingWorker _worker = new(new WorkerId("ann"), "cpu", TimeSpan.FromMinutes(1));

    [Fact]
    public void It_builds_its_engine_from_what_the_queue_tells_and_then_asks_for_work()
    {
        Do(_worker.Look());
        Do(_worker.Accepted(new WorkerAccepted(s_runA), s_queue));
        Assert.Equal(s_runA, Assert.Single(Effects<WorkerEffect.Build>()).Setup);
        Do(_worker.Ready(""));
        Assert.IsType<RequestWork>(Assert.Single(Effects<WorkerEffect.Send>()).Message);
    }

    [Fact]
    public void The_engine_stays_when_the_learner_of_the_same_run_comes_back()
    {
        Join(s_runA);
        Do(_worker.Lost(s_queue, TimeSpan.Zero));
        Do(_worker.Look());
        Assert.Equal("a", Effects<WorkerEffect.Register>().Last().Run);
        Do(_worker.Accepted(new WorkerAccepted(s_runA with { ModelUrl = "http://elsewhere" }), s_other));
        Assert.Single(Effects<WorkerEffect.Build>());
        Do(_worker.Beat(TimeSpan.FromSeconds(1), 2, 1));
        Assert.Equal(s_other, Effects<WorkerEffect.Send>().Last().To);
    }

    [Theory]
    [InlineData("b", "model")]
    [InlineData("a", "other model")]
    public void The_engine_is_built_anew_for_another_run_or_other_files(string run, string fingerprint)
    {
        Join(s_runA);
        Do(_worker.Lost(s_queue, TimeSpan.Zero));
        Do(_worker.Accepted(new WorkerAccepted(s_runA with { Run = run, Fingerprint = fingerprint }), s_other));
        Assert.Equal(2, Effects<WorkerEffect.Build>().Count());
        // Nothing is done with the old one.
        Do(_worker.Assign(new AssignUnit(Unit, "", run), s_other));
        Assert.Empty(Effects<WorkerEffect.Execute>());
    }

    [Fact]
    public void A_worker_that_is_busy_for_its_old_run_builds_the_new_engine_when_it_is_done()
    {
        Join(s_runA);
        Do(_worker.Assign(new AssignUnit(Unit, "", "a"), s_queue));
        Do(_worker.Lost(s_queue, TimeSpan.Zero));
        Do(_worker.Accepted(new WorkerAccepted(s_runA with { Run = "b" }), s_other));
        Assert.Single(Effects<WorkerEffect.Build>());
        Do(_worker.Settled(new CompleteUnit(_worker.Id, Unit.Id, "", new RewardResult([1]), "a"), ""));
        Assert.Equal("b", Effects<WorkerEffect.Build>().Last().Setup.Run);
        Assert.Equal("a", Effects<WorkerEffect.Send>().Select(send => send.Message).OfType<CompleteUnit>().Single().Run);
    }

    [Theory]
    [InlineData("a", false)]
    [InlineData("b", true)]
    public void It_does_nothing_for_a_stranger_or_for_another_run(string run, bool fromQueue)
    {
        Join(s_runA);
        Do(_worker.Assign(new AssignUnit(Unit, "", run), fromQueue ? s_queue : s_other));
        Do(_worker.Hold(new HoldWeights(new WeightsRef(1, "d", 1, ""), ""), s_other));
        Do(_worker.Ended(new RunEnded("so there"), s_other));
        Do(_worker.Refused(new WorkerRefused("so there"), s_other));
        Assert.Empty(Effects<WorkerEffect.Execute>());
        Assert.Empty(Effects<WorkerEffect.Take>());
        Assert.Empty(Effects<WorkerEffect.End>());
    }

    [Fact]
    public void A_unit_that_comes_while_it_is_busy_goes_back()
    {
        Join(s_runA);
        Do(_worker.Assign(new AssignUnit(Unit, "", "a"), s_queue));
        Do(_worker.Assign(new AssignUnit(Unit with { Id = new UnitId("second") }, "", "a"), s_queue));
        Assert.Single(Effects<WorkerEffect.Execute>());
        Assert.Equal("second", Effects<WorkerEffect.Send>().Select(send => send.Message).OfType<ReturnUnit>().Single().Unit.Value);
    }

    [Fact]
    public void It_gives_up_when_its_patience_is_over_and_says_what_it_waits_for()
    {
        for (var second = 0; second <= 61; second++)
            Do(_worker.Beat(TimeSpan.FromSeconds(second), members: 1, learners: 1));
        Assert.Contains("of at most 60 s", Effects<WorkerEffect.Say>().First().Text);
        Assert.Equal("worker/no-learner", Assert.IsType<DfpoException>(Effects<WorkerEffect.End>().First().Reason).Code);
    }

    [Theory]
    [InlineData(1, false)]
    [InlineData(0, true)]
    public void A_cluster_that_its_learner_has_left_is_left_too_unless_another_stands_by(int learners, bool leaves)
    {
        Join(s_runA);
        Do(_worker.Lost(s_queue, TimeSpan.FromSeconds(10)));
        for (var second = 10; second <= 20; second++)
            Do(_worker.Beat(TimeSpan.FromSeconds(second), members: 2, learners));
        Assert.Equal(leaves, Effects<WorkerEffect.End>().Any(end => end.Reason is OperationCanceledException));
    }

    private static RewardUnit Unit => new(new UnitId("u"), [new PromptContinuation("a", "b")]);

    private void Join(WorkerSetup setup)
    {
        Do(_worker.Accepted(new WorkerAccepted(setup), s_queue));
        Do(_worker.Ready(""));
    }

    private void Do(PullingWorker worker)
    {
        _effects.AddRange(worker.Effects);
        _worker = worker.Done();
    }

    private IEnumerable<T> Effects<T>()
        where T : WorkerEffect => _effects.OfType<T>();
}
