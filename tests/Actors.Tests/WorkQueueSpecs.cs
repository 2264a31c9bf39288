using Akka.Actor;
using Akka.Hosting;
using Akka.Hosting.TestKit;
using Akka.TestKit;
using DfPO.Actors.Weights;
using DfPO.Actors.Work;
using DfPO.Models;
using DfPO.Rollout;
using DfPO.Tasks.Prompts;
using Microsoft.Extensions.Time.Testing;
using static DfPO.Actors.Work.WorkProtocol;

namespace DfPO.Actors.Tests;

public sealed class WorkQueueSpecs(ITestOutputHelper output) : TestKit(output: output)
{
    private static readonly WorkerId s_ann = new("ann"),
        s_bob = new("bob");
    private readonly FakeTimeProvider _time = new();
    private readonly List<int> _counts = [],
        _awaited = [];

    [Fact]
    public async Task A_worker_that_asks_before_there_is_work_gets_it_when_it_comes()
    {
        var (queue, worker) = (Queue(), await Register(s_ann));
        queue.Tell(new RequestWork(s_ann, ""), worker);
        queue.Tell(new Submit(Reward("u"), default), TestActor);
        Assert.Equal("u", (await worker.ExpectMsgAsync<AssignUnit>()).Unit.Id.Value);
        queue.Tell(new CompleteUnit(s_ann, new UnitId("u"), "", new RewardResult([1])), worker);
        Assert.Equal([1f], Assert.IsType<RewardResult>((await ExpectMsgAsync<UnitFinished>()).Result).Rewards);
    }

    [Fact]
    public async Task A_worker_with_other_weights_is_told_to_take_the_right_ones_before_it_gets_the_unit()
    {
        var (queue, worker) = (Queue(), await Register(s_ann));
        queue.Tell(new Submit(Rollout("u", "new"), default), TestActor);
        queue.Tell(new RequestWork(s_ann, "old"), worker);
        Assert.Equal("new", (await worker.ExpectMsgAsync<HoldWeights>()).Weights.Digest);
        queue.Tell(new RequestWork(s_ann, "new"), worker);
        await worker.ExpectMsgAsync<AssignUnit>();
    }

    [Fact]
    public async Task A_worker_is_given_a_unit_behind_the_head_when_that_saves_a_change_of_weights()
    {
        var (queue, worker) = (Queue(), await Register(s_ann));
        queue.Tell(new Submit(Rollout("newer", "d2"), default), TestActor);
        queue.Tell(new Submit(Rollout("fitting", "d1"), default), TestActor);
        queue.Tell(new RequestWork(s_ann, "d1"), worker);
        Assert.Equal("fitting", (await worker.ExpectMsgAsync<AssignUnit>()).Unit.Id.Value);
        queue.Tell(new RequestWork(s_ann, "d1"), worker);
        Assert.Equal("d2", (await worker.ExpectMsgAsync<HoldWeights>()).Weights.Digest);
        queue.Tell(new RequestWork(s_ann, "d2"), worker);
        Assert.Equal("newer", (await worker.ExpectMsgAsync<AssignUnit>()).Unit.Id.Value);
    }

    [Fact]
    public async Task Where_workers_are_many_the_later_ones_fetch_from_the_earlier_ones()
    {
        var (ann, bob, cid) = (
            await Register(s_ann, "http://a"),
            await Register(s_bob, "http://b"),
            await Register(new WorkerId("cid"), "http://c")
        );
        async Task<IReadOnlyList<string>> Relays(TestProbe worker, string id)
        {
            Queue().Tell(new Submit(Rollout(id, "new"), default), TestActor);
            Queue().Tell(new RequestWork(new WorkerId(id), "old"), worker);
            return (await worker.ExpectMsgAsync<HoldWeights>()).Relays;
        }
        Assert.Empty(await Relays(ann, "ann"));
        Assert.Empty(await Relays(bob, "bob"));
        Assert.Equal(["http://a"], await Relays(cid, "cid"));
    }

    [Fact]
    public async Task The_unit_of_a_worker_that_dies_goes_to_another_one()
    {
        var (queue, ann, bob) = (Queue(), await Register(s_ann), await Register(s_bob));
        queue.Tell(new RequestWork(s_ann, ""), ann);
        queue.Tell(new Submit(Reward("u"), default), TestActor);
        await ann.ExpectMsgAsync<AssignUnit>();
        Sys.Stop(ann);
        queue.Tell(new RequestWork(s_bob, ""), bob);
        await bob.ExpectMsgAsync<AssignUnit>();
        queue.Tell(new CompleteUnit(s_bob, new UnitId("u"), "", new RewardResult([1])), bob);
        await ExpectMsgAsync<UnitFinished>();
        Assert.Equal([1, 2, 1], _counts);
    }

    [Fact]
    public async Task A_unit_not_returned_in_time_is_handed_out_again_and_its_second_completion_is_counted_not_used()
    {
        var (queue, ann, bob) = (Queue(), await Register(s_ann), await Register(s_bob));
        queue.Tell(new RequestWork(s_ann, ""), ann);
        queue.Tell(new Submit(Reward("u"), default), TestActor);
        await ann.ExpectMsgAsync<AssignUnit>();
        queue.Tell(new RequestWork(s_bob, ""), bob);
        await bob.ExpectNoMsgAsync(TimeSpan.FromMilliseconds(100));
        _time.Advance(TimeSpan.FromMinutes(2));
        await bob.ExpectMsgAsync<AssignUnit>();
        queue.Tell(new CompleteUnit(s_bob, new UnitId("u"), "", new RewardResult([1])), bob);
        queue.Tell(new CompleteUnit(s_ann, new UnitId("u"), "", new RewardResult([2])), ann);
        Assert.Equal([1f], Assert.IsType<RewardResult>((await ExpectMsgAsync<UnitFinished>()).Result).Rewards);
        queue.Tell(new GetStatus(), TestActor);
        Assert.Equal(1, (await ExpectMsgAsync<QueueStatus>()).Duplicates);
    }

    [Fact]
    public async Task A_withdrawn_unit_is_not_handed_out_and_its_completion_is_not_answered()
    {
        var (queue, worker) = (Queue(), await Register(s_ann));
        queue.Tell(new RequestWork(s_ann, ""), worker);
        queue.Tell(new Submit(Reward("leased"), default), TestActor);
        await worker.ExpectMsgAsync<AssignUnit>();
        queue.Tell(new Submit(Reward("waiting"), default), TestActor);
        queue.Tell(new Submit(Reward("wanted"), default), TestActor);
        queue.Tell(new Withdraw(new UnitId("leased")), TestActor);
        queue.Tell(new Withdraw(new UnitId("waiting")), TestActor);
        queue.Tell(new CompleteUnit(s_ann, new UnitId("leased"), "", new RewardResult([1])), worker);
        queue.Tell(new RequestWork(s_ann, ""), worker);
        Assert.Equal("wanted", (await worker.ExpectMsgAsync<AssignUnit>()).Unit.Id.Value);
        queue.Tell(new CompleteUnit(s_ann, new UnitId("wanted"), "", new RewardResult([2])), worker);
        Assert.Equal("wanted", (await ExpectMsgAsync<UnitFinished>()).Unit.Value);
    }

    [Fact]
    public async Task A_unit_that_a_busy_worker_gives_back_goes_to_another_and_nobody_has_failed()
    {
        var (queue, ann, bob) = (Queue(), await Register(s_ann), await Register(s_bob));
        queue.Tell(new Submit(Reward("u"), default), TestActor);
        for (var attempt = 0; attempt < 5; attempt++)
        {
            queue.Tell(new RequestWork(s_ann, ""), ann);
            await ann.ExpectMsgAsync<AssignUnit>();
            queue.Tell(new ReturnUnit(s_ann, new UnitId("u")), ann);
        }
        queue.Tell(new RequestWork(s_bob, ""), bob);
        Assert.Equal("u", (await bob.ExpectMsgAsync<AssignUnit>()).Unit.Id.Value);
    }

    [Fact]
    public async Task What_another_says_in_a_workers_name_is_not_believed()
    {
        var (queue, ann, bob) = (Queue(), await Register(s_ann), await Register(s_bob));
        queue.Tell(new Submit(Reward("u"), default), TestActor);
        queue.Tell(new RequestWork(s_ann, ""), ann);
        await ann.ExpectMsgAsync<AssignUnit>();
        queue.Tell(new RequestWork(s_bob, ""), bob);
        var forger = CreateTestProbe();
        foreach (var actor in new[] { forger, bob })
            foreach (
                var forged in new IWireMessage[]
                {
                    new CompleteUnit(s_ann, new UnitId("u"), "", new RewardResult([9])),
                    new FailUnit(s_ann, new UnitId("u"), "it is poisoned"),
                    new ReturnUnit(s_ann, new UnitId("u")),
                    new LeaveQueue(s_ann),
                    new RequestWork(s_ann, "other"),
                }
            )
                queue.Tell(forged, actor);
        // Its own name does not help a worker to another's unit, and a name that is taken is not given twice.
        queue.Tell(new CompleteUnit(s_bob, new UnitId("u"), "", new RewardResult([9])), bob);
        queue.Tell(new RegisterWorker(s_ann, "cpu", ProductVersion.Text, ""), forger);
        queue.Tell(new CompleteUnit(s_ann, new UnitId("u"), "", new RewardResult([9])), forger);
        await forger.ExpectNoMsgAsync(TimeSpan.FromMilliseconds(100));
        await bob.ExpectNoMsgAsync(TimeSpan.FromMilliseconds(1));
        var status = await queue.Ask<QueueStatus>(new GetStatus());
        Assert.Equal((2, 0, 1, 0L), (status.Workers, status.Pending, status.Leased, status.Duplicates));
        queue.Tell(new CompleteUnit(s_ann, new UnitId("u"), "", new RewardResult([1])), ann);
        Assert.Equal([1f], Assert.IsType<RewardResult>((await ExpectMsgAsync<UnitFinished>()).Result).Rewards);
    }

    [Fact]
    public async Task A_unit_that_fails_everywhere_is_abandoned_with_the_reason()
    {
        var (queue, worker) = (Queue(), await Register(s_ann));
        queue.Tell(new Submit(Reward("u"), default), TestActor);
        for (var attempt = 0; attempt < 3; attempt++)
        {
            queue.Tell(new RequestWork(s_ann, ""), worker);
            await worker.ExpectMsgAsync<AssignUnit>();
            queue.Tell(new FailUnit(s_ann, new UnitId("u"), "it is poisoned"), worker);
            // A worker that fails again and again is given no work for a while.
            await queue.Ask<QueueStatus>(new GetStatus());
            _time.Advance(TimeSpan.FromSeconds(10));
        }
        Assert.Contains("it is poisoned", (await ExpectMsgAsync<UnitAbandoned>()).Reason);
    }

    [Fact]
    public async Task Without_any_worker_the_submitter_hears_so_instead_of_waiting_for_ever()
    {
        var queue = Queue();
        queue.Tell(new Submit(Reward("u"), default), TestActor);
        queue.Tell(new GetStatus(), TestActor);
        await ExpectMsgAsync<QueueStatus>();
        _time.Advance(TimeSpan.FromMinutes(10));
        Assert.Contains("no reward worker", (await ExpectMsgAsync<UnitAbandoned>()).Reason);
    }

    [Fact]
    public async Task A_worker_that_can_never_take_the_weights_does_not_hold_up_the_run_for_ever()
    {
        var (queue, worker) = (Queue(), await Register(s_ann));
        queue.Tell(new Submit(Rollout("u", "new"), default), TestActor);
        for (var attempt = 0; attempt < 3; attempt++)
        {
            queue.Tell(new RequestWork(s_ann, "old"), worker);
            await worker.ExpectMsgAsync<HoldWeights>();
            queue.Tell(new FailUnit(s_ann, new UnitId(""), "no route"), worker);
            await queue.Ask<QueueStatus>(new GetStatus());
            _time.Advance(TimeSpan.FromSeconds(10));
        }
        queue.Tell(new RequestWork(s_ann, "old"), worker);
        _time.Advance(TimeSpan.FromMinutes(6));
        Assert.Contains("fail again and again", (await ExpectMsgAsync<UnitAbandoned>()).Reason);
    }

    [Fact]
    public async Task A_unit_name_can_be_submitted_only_once()
    {
        var queue = Queue();
        queue.Tell(new Submit(Reward("u"), default), TestActor);
        queue.Tell(new Submit(Reward("u"), default), TestActor);
        Assert.Contains("before", (await ExpectMsgAsync<UnitAbandoned>()).Reason);
    }

    [Fact]
    public async Task Workers_are_told_when_the_run_has_ended()
    {
        var (queue, worker) = (Queue(), await Register(s_ann));
        queue.Tell(new EndRun("out of luck"));
        Assert.Equal("out of luck", (await worker.ExpectMsgAsync<RunEnded>()).Failure);
    }

    [Fact]
    public async Task A_worker_of_another_version_is_refused_with_the_reason()
    {
        var probe = CreateTestProbe();
        Queue().Tell(new RegisterWorker(s_ann, "cpu", "0.0.1", ""), probe);
        var reason = (await probe.ExpectMsgAsync<WorkerRefused>()).Reason;
        Assert.Contains("0.0.1", reason);
        Assert.Contains(ProductVersion.Text, reason);
        Assert.Empty(_counts);
    }

    [Theory]
    [InlineData("run", true)]
    [InlineData("other", false)]
    public async Task A_worker_that_brings_its_own_model_is_taken_only_if_it_is_the_runs(string digest, bool accepted)
    {
        var probe = CreateTestProbe();
        Queue().Tell(new RegisterWorker(s_ann, "cpu", ProductVersion.Text, digest), probe);
        if (accepted)
            await probe.ExpectMsgAsync<WorkerAccepted>();
        else
            Assert.Contains("--model", (await probe.ExpectMsgAsync<WorkerRefused>()).Reason);
    }

    [Fact]
    public async Task A_worker_that_keeps_failing_leaves_the_unit_to_another_one()
    {
        var (queue, ann, bob) = (Queue(), await Register(s_ann), await Register(s_bob));
        queue.Tell(new Submit(Reward("u"), default), TestActor);
        for (var i = 0; i < 2; i++)
        {
            queue.Tell(new RequestWork(s_ann, ""), ann);
            await ann.ExpectMsgAsync<AssignUnit>();
            queue.Tell(new FailUnit(s_ann, new UnitId("u"), "it is poisoned"), ann);
        }
        queue.Tell(new RequestWork(s_ann, ""), ann);
        await ann.ExpectNoMsgAsync(TimeSpan.FromMilliseconds(100));
        queue.Tell(new RequestWork(s_bob, ""), bob);
        await bob.ExpectMsgAsync<AssignUnit>();
    }

    [Fact]
    public async Task A_worker_that_took_a_unit_and_never_asks_again_does_not_hold_up_the_run_for_ever()
    {
        var (queue, worker) = (Queue(), await Register(s_ann));
        queue.Tell(new RequestWork(s_ann, ""), worker);
        queue.Tell(new Submit(Reward("u"), default), TestActor);
        await worker.ExpectMsgAsync<AssignUnit>();
        _time.Advance(TimeSpan.FromMinutes(2));
        await AwaitConditionAsync(async () => (await queue.Ask<QueueStatus>(new GetStatus())).Pending == 1);
        _time.Advance(TimeSpan.FromMinutes(4));
        await AwaitConditionAsync(() => Task.FromResult(_awaited.Contains(1)));
        _time.Advance(TimeSpan.FromMinutes(4));
        Assert.Contains("do not ask for work", (await ExpectMsgAsync<UnitAbandoned>()).Reason);
    }

    protected override void ConfigureAkka(AkkaConfigurationBuilder builder, IServiceProvider provider) { }

    private IActorRef? _queue;

    private IActorRef Queue() =>
        _queue ??= Sys.ActorOf(
            WorkQueueActor.Props(
                new WorkQueueOptions
                {
                    Role = "reward",
                    Setup = new WorkerSetup("", "", ""),
                    UnitTimeout = TimeSpan.FromMinutes(1),
                    MaxAttempts = 3,
                    WorkerPatience = TimeSpan.FromMinutes(5),
                    WorkersChanged = _counts.Add,
                    WorkersAwaited = (units, _, _) => _awaited.Add(units),
                    ModelDigest = () => Task.FromResult("run"),
                    RelayFanOut = 2,
                },
                _time
            )
        );

    private async Task<TestProbe> Register(WorkerId id, string bulkUrl = "")
    {
        var probe = CreateTestProbe();
        Queue().Tell(new RegisterWorker(id, "cpu", ProductVersion.Text, "", bulkUrl), probe);
        await probe.ExpectMsgAsync<WorkerAccepted>();
        return probe;
    }

    private static RewardUnit Reward(string id) => new(new UnitId(id), [new PromptContinuation("a", "b")]);

    private static RolloutUnit Rollout(string id, string digest) =>
        new(new UnitId(id), [new GenerationRequest([1], 1)], new GenerationOptions(), new WeightsRef(1, digest, 1, ""), EndOfText.None);
}
