using Akka.Actor;
using Akka.Hosting;
using Akka.Hosting.TestKit;
using Akka.TestKit;
using DfPO.Actors.Weights;
using DfPO.Actors.Work;
using DfPO.Models;
using DfPO.Rollout;
using DfPO.Tasks.Prompts;
using static DfPO.Actors.Work.WorkProtocol;

namespace DfPO.Actors.Tests;

/// <summary>The actor around a <see cref="WorkQueue"/>, whose decisions have tests of their own.</summary>
public sealed class WorkQueueSpecs(ITestOutputHelper output) : TestKit(output: output)
{
    private static readonly WorkerId s_ann = new("ann"),
        s_bob = new("bob");
    private readonly List<int> _counts = [];

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
                    RelayFanOut = 2,
                }
            )
        );

    private async Task<TestProbe> Register(WorkerId id)
    {
        var probe = CreateTestProbe();
        Queue().Tell(new RegisterWorker(id, "cpu", ProductVersion.Text, ""), probe);
        await probe.ExpectMsgAsync<WorkerAccepted>();
        return probe;
    }

    private static RewardUnit Reward(string id) => new(new UnitId(id), [new PromptContinuation("a", "b")]);

    private static RolloutUnit Rollout(string id, string digest) =>
        new(new UnitId(id), [new GenerationRequest([1], 1)], new GenerationOptions(), new WeightsRef(1, digest, 1, ""), EndOfText.None);
}
