using Akka.Actor;
using DfPO.Actors.Weights;
using DfPO.Actors.Work;
using DfPO.Models;
using DfPO.Rollout;
using DfPO.Tasks.Prompts;
using static DfPO.Actors.Work.WorkProtocol;

namespace DfPO.Actors.Tests;

public sealed class WorkQueueTests
{
    private const string Run = "run1";
    private static readonly WorkQueueOptions s_options = new()
    {
        Role = "reward",
        Setup = new WorkerSetup("", "", "") { Run = Run },
        UnitTimeout = TimeSpan.FromMinutes(1),
        MaxAttempts = 3,
        WorkerPatience = TimeSpan.FromMinutes(5),
        ModelDigest = "model",
        RelayFanOut = 2,
        Check = new ResultCheck(Vocabulary: 100, LowestReward: 0, HighestReward: 1),
    };
    private readonly Dictionary<string, FakeRef> _refs = [];
    private readonly List<QueueEffect> _effects = [];
    private WorkQueue _queue = new(s_options);
    private TimeSpan _now;

    [Fact]
    public void A_worker_that_asks_before_there_is_work_gets_it_when_it_comes()
    {
        Join("ann");
        Ask("ann");
        Submit("u");
        Assert.Equal("u", Assigned("ann"));
        Complete("ann", "u");
        Assert.Equal("u", Assert.Single(Effects<QueueEffect.Finish>()).Unit.Value);
    }

    [Fact]
    public void A_worker_with_other_weights_is_told_to_take_the_right_ones_before_it_gets_the_unit()
    {
        Join("ann");
        Submit(Rollout("u", "new"));
        Ask("ann", "old");
        Assert.Equal("new", Assert.Single(Effects<QueueEffect.Hold>()).Weights.Digest);
        Ask("ann", "new");
        Assert.Equal("u", Assigned("ann"));
    }

    [Fact]
    public void A_worker_is_given_a_unit_behind_the_head_when_that_saves_a_change_of_weights()
    {
        Join("ann");
        Submit(Rollout("newer", "d2"));
        Submit(Rollout("fitting", "d1"));
        Ask("ann", "d1");
        Assert.Equal("fitting", Assigned("ann"));
        Ask("ann", "d1");
        Assert.Equal("d2", Assert.Single(Effects<QueueEffect.Hold>()).Weights.Digest);
    }

    [Fact]
    public void Where_workers_are_many_the_later_ones_fetch_from_the_earlier_ones()
    {
        string[] names = ["a", "b", "c"];
        foreach (var name in names)
            Join(name, bulkUrl: $"http://{name}");
        foreach (var name in names)
        {
            Submit(Rollout(name, "new"));
            Ask(name, "old");
        }
        Assert.Equal(["", "", "http://a"], Effects<QueueEffect.Hold>().Select(hold => string.Join(',', hold.Relays)));
    }

    [Fact]
    public void The_unit_of_a_worker_that_dies_goes_to_another_one()
    {
        Join("ann");
        Join("bob");
        Ask("ann");
        Submit("u");
        Do(_queue.Terminated(Ref("ann"), _now));
        Ask("bob");
        Assert.Equal("u", Assigned("bob"));
        Assert.Equal([1, 2, 1], Effects<QueueEffect.Count>().Select(count => count.Workers));
    }

    [Fact]
    public void A_unit_not_returned_in_time_is_handed_out_again_and_its_second_completion_is_counted_not_used()
    {
        Join("ann");
        Join("bob");
        Ask("ann");
        Submit("u");
        Ask("bob");
        Assert.Null(Assigned("bob"));
        Pass(TimeSpan.FromMinutes(2));
        Assert.Equal("u", Assigned("bob"));
        Complete("bob", "u", 1);
        Complete("ann", "u", 0.5f);
        Assert.Equal([1f], Assert.IsType<RewardResult>(Assert.Single(Effects<QueueEffect.Finish>()).Result).Rewards);
        Assert.Equal(1, _queue.Status().Duplicates);
    }

    [Fact]
    public void A_withdrawn_unit_is_not_handed_out_and_its_completion_is_not_answered()
    {
        Join("ann");
        Ask("ann");
        Submit("leased");
        Submit("waiting");
        Submit("wanted");
        Do(_queue.Withdraw(new UnitId("leased")));
        Do(_queue.Withdraw(new UnitId("waiting")));
        Complete("ann", "leased");
        Ask("ann");
        Assert.Equal("wanted", Assigned("ann"));
        Complete("ann", "wanted");
        Assert.Equal("wanted", Assert.Single(Effects<QueueEffect.Finish>()).Unit.Value);
    }

    [Fact]
    public void A_unit_that_a_busy_worker_gives_back_goes_to_another_and_nobody_has_failed()
    {
        Join("ann");
        Join("bob");
        Submit("u");
        for (var attempt = 0; attempt < 5; attempt++)
        {
            Ask("ann");
            Assert.Equal("u", Assigned("ann"));
            Do(_queue.Return(new ReturnUnit(new WorkerId("ann"), new UnitId("u")), Ref("ann"), _now));
        }
        Ask("bob");
        Assert.Equal("u", Assigned("bob"));
    }

    [Fact]
    public void A_unit_that_fails_everywhere_is_abandoned_with_the_reason()
    {
        Join("ann");
        Submit("u");
        for (var attempt = 0; attempt < 3; attempt++)
        {
            Ask("ann");
            Assert.Equal("u", Assigned("ann"));
            Fail("ann", "u", "it is poisoned");
            Pass(TimeSpan.FromSeconds(10)); // A worker that fails again and again is given no work for a while.
        }
        Assert.Contains("it is poisoned", Assert.Single(Effects<QueueEffect.Abandon>()).Reason);
    }

    [Fact]
    public void Without_any_worker_the_units_are_given_up_after_a_while_and_the_user_hears_of_the_waiting()
    {
        Submit("u");
        Pass(TimeSpan.FromMinutes(4));
        Assert.Empty(Effects<QueueEffect.Abandon>());
        Assert.Equal(1, Effects<QueueEffect.Await>().First().Units);
        Pass(TimeSpan.FromMinutes(2));
        Assert.Contains("no reward worker", Assert.Single(Effects<QueueEffect.Abandon>()).Reason);
    }

    [Fact]
    public void A_worker_that_can_never_take_the_weights_does_not_hold_up_the_run_for_ever()
    {
        Join("ann");
        Submit(Rollout("u", "new"));
        for (var attempt = 0; attempt < 3; attempt++)
        {
            Ask("ann", "old");
            Assert.Equal(attempt + 1, Effects<QueueEffect.Hold>().Count());
            Fail("ann", "", "no route");
            Pass(TimeSpan.FromSeconds(10));
        }
        Ask("ann", "old");
        Pass(TimeSpan.FromMinutes(6));
        Assert.Contains("fail again and again", Assert.Single(Effects<QueueEffect.Abandon>()).Reason);
    }

    [Fact]
    public void A_worker_that_took_a_unit_and_never_asks_again_does_not_hold_up_the_run_for_ever()
    {
        Join("ann");
        Ask("ann");
        Submit("u");
        Pass(TimeSpan.FromMinutes(2));
        Assert.Equal(1, _queue.Status().Pending);
        Pass(TimeSpan.FromMinutes(6));
        Assert.Contains("do not ask for work", Assert.Single(Effects<QueueEffect.Abandon>()).Reason);
    }

    [Fact]
    public void A_worker_that_keeps_failing_leaves_the_unit_to_another_one()
    {
        Join("ann");
        Join("bob");
        Submit("u");
        for (var i = 0; i < 2; i++)
        {
            Ask("ann");
            Assert.Equal("u", Assigned("ann"));
            Fail("ann", "u", "it is poisoned");
        }
        Ask("ann");
        Assert.Null(Assigned("ann"));
        Ask("bob");
        Assert.Equal("u", Assigned("bob"));
    }

    [Theory]
    [InlineData("0.0.1", "", "0.0.1")]
    [InlineData("", "other", "--model")]
    [InlineData("", "model", null)]
    public void A_worker_of_another_version_or_with_another_model_is_refused_with_the_reason(string version, string model, string? reason)
    {
        Do(
            _queue.Register(
                new RegisterWorker(new WorkerId("ann"), "cpu", version.Length > 0 ? version : ProductVersion.Text, model),
                Ref("ann"),
                _now
            )
        );
        if (reason is null)
            Assert.Equal(Run, Assert.IsType<WorkerAccepted>(Sent("ann").Single()).Setup.Run);
        else
            Assert.Contains(reason, Assert.IsType<WorkerRefused>(Sent("ann").Single()).Reason);
        Assert.Equal(reason is null ? 1 : 0, _queue.Status().Workers);
    }

    [Fact]
    public void Nobody_speaks_for_another_worker()
    {
        Join("ann");
        Ask("ann");
        Submit("u");
        var (id, unit, eve) = (new WorkerId("ann"), new UnitId("u"), Ref("eve"));
        Do(_queue.Complete(new CompleteUnit(id, unit, "", new RewardResult([0.5f]), Run), eve, _now));
        Do(_queue.Fail(new FailUnit(id, unit, "so there"), eve, _now));
        Do(_queue.Return(new ReturnUnit(id, unit), eve, _now));
        Do(_queue.Leave(new LeaveQueue(id), eve, _now));
        Do(_queue.Request(new RequestWork(id, "lies"), eve, _now));
        Assert.Equal((1, 1, 0), (_queue.Status().Workers, _queue.Status().Leased, Effects<QueueEffect.Finish>().Count()));
    }

    [Fact]
    public void A_completion_of_another_run_is_not_used()
    {
        Join("ann");
        Ask("ann");
        Submit("u");
        Complete("ann", "u", run: "run2");
        Assert.Empty(Effects<QueueEffect.Finish>());
        Complete("ann", "u");
        Assert.Single(Effects<QueueEffect.Finish>());
    }

    [Fact]
    public void A_result_that_cannot_be_is_refused_its_maker_benched_and_the_unit_handed_out_again()
    {
        Join("eve");
        Ask("eve");
        Submit("u");
        Complete("eve", "u", 1e6f);
        Assert.Contains("1000000", Sent("eve").OfType<WorkerRefused>().Single().Reason);
        Join("eve");
        Assert.Equal(0, _queue.Status().Workers);
        Join("ann");
        Ask("ann");
        Assert.Equal("u", Assigned("ann"));
        Assert.Equal(1, _queue.Status().Refused);
    }

    [Theory]
    [InlineData(0.25)]
    [InlineData(0.5)]
    [InlineData(1.0)]
    public void Forged_results_are_caught_at_the_rate_of_the_audit(double share)
    {
        const int Runs = 400;
        var caught = 0;
        for (var run = 0; run < Runs; run++)
        {
            _queue = new WorkQueue(s_options with { Audit = share, AuditSecret = (ulong)run });
            _effects.Clear();
            foreach (var name in new[] { "eve", "ann", "bob" })
                Join(name);
            Ask("eve");
            Submit("u");
            Complete("eve", "u", 0.9f);
            foreach (var name in new[] { "ann", "bob" })
            {
                Ask(name);
                if (Assigned(name) is not null)
                    Complete(name, "u", 0.1f);
            }
            var learnt = Assert.IsType<RewardResult>(Assert.Single(Effects<QueueEffect.Finish>()).Result).Rewards[0];
            var benched = Sent("eve").OfType<WorkerRefused>().Any();
            Assert.Equal(benched ? 0.1f : 0.9f, learnt);
            Assert.Empty(Sent("ann").Concat(Sent("bob")).OfType<WorkerRefused>());
            caught += benched ? 1 : 0;
        }
        // Four standard deviations of a share of so many.
        Assert.InRange(caught / (double)Runs, share - (4 * Math.Sqrt(share * (1 - share) / Runs)), share + 0.1 * (share < 1 ? 1 : 0));
    }

    [Fact]
    public void An_audit_that_nobody_can_do_does_not_hold_up_the_run()
    {
        _queue = new WorkQueue(s_options with { Audit = 1 });
        Join("ann");
        Join("bob");
        Ask("ann");
        Submit("u");
        Complete("ann", "u");
        Assert.Empty(Effects<QueueEffect.Finish>());
        Do(_queue.Terminated(Ref("bob"), _now));
        Pass(TimeSpan.FromSeconds(2));
        Assert.Single(Effects<QueueEffect.Finish>());
        Assert.Equal(1, _queue.Unaudited);
    }

    private FakeRef Ref(string name) => _refs.TryGetValue(name, out var known) ? known : _refs[name] = new FakeRef(name);

    private void Do(WorkQueue queue)
    {
        _effects.AddRange(queue.Effects);
        _queue = queue.Done();
    }

    private void Join(string name, string bulkUrl = "") =>
        Do(_queue.Register(new RegisterWorker(new WorkerId(name), "cpu", ProductVersion.Text, "", bulkUrl), Ref(name), _now));

    private void Ask(string name, string held = "") => Do(_queue.Request(new RequestWork(new WorkerId(name), held), Ref(name), _now));

    private void Submit(string unit) => Submit(new RewardUnit(new UnitId(unit), [new PromptContinuation("a", "b")]));

    private void Submit(WorkUnit unit) => Do(_queue.Submit(unit, _now));

    private void Complete(string name, string unit, float reward = 1, string run = Run) =>
        Do(_queue.Complete(new CompleteUnit(new WorkerId(name), new UnitId(unit), "", new RewardResult([reward]), run), Ref(name), _now));

    private void Fail(string name, string unit, string reason) =>
        Do(_queue.Fail(new FailUnit(new WorkerId(name), new UnitId(unit), reason), Ref(name), _now));

    private void Pass(TimeSpan time)
    {
        for (var end = _now + time; _now < end;)
            Do(_queue.Tick(_now += TimeSpan.FromSeconds(1)));
    }

    private IEnumerable<T> Effects<T>()
        where T : QueueEffect => _effects.OfType<T>();

    private IEnumerable<IWireMessage> Sent(string name) =>
        Effects<QueueEffect.Send>().Where(send => send.To.Equals(Ref(name))).Select(send => send.Message);

    /// <summary>The unit that the worker was given last, once.</summary>
    private string? Assigned(string name)
    {
        var given = Effects<QueueEffect.Assign>().LastOrDefault(assign => assign.To.Equals(Ref(name)));
        if (given is not null)
            _effects.Remove(given);
        return given?.Unit.Id.Value;
    }

    private static RolloutUnit Rollout(string id, string digest) =>
        new(new UnitId(id), [new GenerationRequest([1], 1)], new GenerationOptions(), new WeightsRef(1, digest, 1, ""), EndOfText.None);
}
