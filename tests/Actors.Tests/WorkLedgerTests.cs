using DfPO.Actors.Weights;
using DfPO.Actors.Work;
using DfPO.Models;
using DfPO.Rollout;
using DfPO.Tasks.Prompts;

namespace DfPO.Actors.Tests;

public sealed class WorkLedgerTests
{
    private static readonly TimeSpan s_start = TimeSpan.FromHours(1);
    private static readonly WorkerId s_ann = new("ann"),
        s_bob = new("bob");

    [Fact]
    public void Units_are_leased_in_the_order_they_were_added()
    {
        var ledger = Ledger("a", "b");
        (ledger, var first) = ledger.Lease(new(s_ann, ""), s_start);
        (ledger, var second) = ledger.Lease(new(s_bob, ""), s_start);
        Assert.Equal(["a", "b"], [first.Id.Value, second.Id.Value]);
        Assert.Equal((0, 2), (ledger.Pending, ledger.Leased));
        Assert.Null(ledger.Next(new(s_ann, "")));
    }

    [Fact]
    public void A_unit_that_is_known_is_not_added_twice()
    {
        var ledger = Ledger("a");
        Assert.Same(ledger, ledger.Add(Unit("a")));
        (ledger, _) = ledger.Lease(new(s_ann, ""), s_start);
        (ledger, _) = Complete(ledger, new UnitId("a"), "");
        Assert.Same(ledger, ledger.Add(Unit("a")));
    }

    [Fact]
    public void A_withdrawn_unit_is_forgotten_and_may_be_added_again()
    {
        var ledger = Ledger("a", "b");
        (ledger, _) = ledger.Lease(new(s_ann, ""), s_start);
        ledger = ledger.Withdraw(new UnitId("a"));
        Assert.Equal(("b", 0), (ledger.Next(new(s_ann, ""))!.Id.Value, ledger.Leased));
        (ledger, var verdict) = Complete(ledger, new UnitId("a"), "");
        Assert.Equal(CompletionVerdict.Unknown, verdict);
        Assert.Equal(2, ledger.Add(Unit("a")).Pending);
        Assert.Equal(1, ledger.Withdraw(new UnitId("unheard-of")).Pending);
    }

    [Fact]
    public void A_second_completion_is_a_duplicate_and_is_counted()
    {
        var (ledger, _) = Ledger("a").Lease(new(s_ann, ""), s_start);
        (ledger, var first) = Complete(ledger, new UnitId("a"), "");
        (ledger, var second) = Complete(ledger, new UnitId("a"), "");
        Assert.Equal((CompletionVerdict.Accepted, CompletionVerdict.Duplicate), (first, second));
        Assert.Equal(1, ledger.Duplicates);
    }

    [Fact]
    public void A_late_completion_counts_when_no_other_came_first()
    {
        var (ledger, _) = Ledger("a").Lease(new(s_ann, ""), s_start);
        ledger = ledger.Expire(s_start);
        Assert.Equal(1, ledger.Pending);
        (ledger, var verdict) = Complete(ledger, new UnitId("a"), "");
        Assert.Equal(CompletionVerdict.Accepted, verdict);
        Assert.Equal((0, 0), (ledger.Pending, ledger.Leased));
    }

    [Fact]
    public void A_worker_gets_the_first_unit_that_fits_the_weights_it_holds_or_else_the_head()
    {
        var ledger = new WorkLedger(3).Add(Unit("a", "old")).Add(Unit("b", "new")).Add(Unit("c", "new")).Add(Unit("d"));
        Assert.Equal(
            ["a", "b", "d", "a"],
            new[]
            {
                ledger.Next(new(s_ann, "old")),
                ledger.Next(new(s_ann, "new")),
                ledger.Withdraw(new UnitId("a")).Withdraw(new UnitId("b")).Withdraw(new UnitId("c")).Next(new(s_ann, "other")),
                ledger.Withdraw(new UnitId("d")).Next(new(s_ann, "other")),
            }.Select(unit => unit!.Id.Value)
        );
        (ledger, var unit) = ledger.Lease(new(s_ann, "new"), s_start);
        Assert.Equal("b", unit.Id.Value);
        (ledger, unit) = ledger.Lease(new(s_bob, "old"), s_start);
        Assert.Equal(("a", 2, 2), (unit.Id.Value, ledger.Pending, ledger.Leased));
        Assert.Null(new WorkLedger(3).Next(new(s_ann, "new")));
    }

    [Fact]
    public void Two_workers_of_different_weights_share_a_mixed_queue_without_a_change_of_weights()
    {
        string[] versions = ["new", "new", "old", "new", "old", "old", "new", "old"];
        var ledger = versions
            .Index()
            .Aggregate(new WorkLedger(3), (ledger, item) => ledger.Add(Unit($"{item.Item}-{item.Index}", item.Item)));
        var done = new List<string>();
        for (var turn = 0; ledger.Pending > 0; turn++)
        {
            (ledger, var unit) = ledger.Lease(turn % 2 == 0 ? new(s_ann, "old") : new(s_bob, "new"), s_start);
            Assert.StartsWith(turn % 2 == 0 ? "old" : "new", unit.Id.Value);
            done.Add(unit.Id.Value);
        }
        Assert.Equal(versions.Length, done.Distinct().Count());
    }

    [Fact]
    public void The_head_is_passed_over_only_so_often_whatever_comes()
    {
        var ledger = new WorkLedger(3).Add(Unit("head", "old")).Add(Unit("next", "old"));
        List<string> order = [];
        for (var i = 0; order.Count < 2 * (WorkLedger.MaxPassedOver + 1); i++)
        {
            ledger = ledger.Add(Unit($"{i}", "new"));
            // Where it is given a unit of other weights, it takes these, and the new ones again for the next.
            (ledger, var unit) = ledger.Lease(new(s_ann, "new"), s_start);
            order.Add(unit.Id.Value);
        }
        Assert.Equal([WorkLedger.MaxPassedOver, (2 * WorkLedger.MaxPassedOver) + 1], [order.IndexOf("head"), order.IndexOf("next")]);
    }

    [Fact]
    public void A_completion_under_another_mask_is_refused()
    {
        var weights = new WeightsRef(3, "right", 1, "") { Mask = new WeightsRef(2, "mask", 1, "") };
        var unit = new RolloutUnit(new UnitId("a"), [new GenerationRequest([1], 1)], new GenerationOptions(), weights, EndOfText.None);
        var (ledger, _) = new WorkLedger(3).Add(unit).Lease(new(s_ann, ""), s_start);
        Assert.Equal(CompletionVerdict.WrongWeights, Complete(ledger, unit.Id, "right").Verdict);
        Assert.Equal(CompletionVerdict.WrongWeights, Complete(ledger, unit.Id, "right+other").Verdict);
        Assert.Equal(CompletionVerdict.Accepted, Complete(ledger, unit.Id, "right+mask").Verdict);
    }

    [Fact]
    public void A_completion_with_other_weights_is_refused_and_the_unit_handed_out_again()
    {
        var unit = new RolloutUnit(
            new UnitId("a"),
            [new GenerationRequest([1], 1)],
            new GenerationOptions(),
            new WeightsRef(3, "right", 1, ""),
            EndOfText.None
        );
        var (ledger, _) = new WorkLedger(3).Add(unit).Lease(new(s_ann, ""), s_start);
        (ledger, var verdict) = Complete(ledger, unit.Id, "wrong");
        Assert.Equal(CompletionVerdict.WrongWeights, verdict);
        Assert.Equal((1, 1L), (ledger.Pending, ledger.Refused));
        (_, verdict) = Complete(ledger, unit.Id, "right");
        Assert.Equal(CompletionVerdict.Accepted, verdict);
    }

    [Fact]
    public void What_a_lost_worker_had_is_handed_out_first_and_the_attempt_is_not_counted()
    {
        var ledger = Ledger("a", "b", "c");
        for (var i = 0; i < 5; i++)
        {
            (ledger, var unit) = ledger.Lease(new(s_ann, ""), s_start);
            Assert.Equal("a", unit.Id.Value);
            ledger = ledger.Lose(s_ann);
        }
        Assert.Empty(ledger.GiveUp().GivenUp);
        Assert.Equal("a", ledger.Next(new(s_ann, ""))!.Id.Value);
    }

    [Fact]
    public void A_unit_that_its_holder_gives_back_was_not_tried()
    {
        var ledger = Ledger("a");
        for (var i = 0; i < 5; i++)
        {
            (ledger, _) = ledger.Lease(new(s_ann, ""), s_start);
            Assert.Same(ledger, ledger.Return(new UnitId("a"), s_bob));
            ledger = ledger.Return(new UnitId("a"), s_ann);
            Assert.Equal(1, ledger.Pending);
        }
        Assert.Empty(ledger.GiveUp().GivenUp);
    }

    [Fact]
    public void A_unit_that_fails_too_often_is_given_up_with_the_last_reason()
    {
        var ledger = Ledger("a");
        for (var i = 0; i < 3; i++)
        {
            Assert.Empty(ledger.GiveUp().GivenUp);
            (ledger, _) = ledger.Lease(new(s_ann, ""), s_start);
            ledger = ledger.Fail(new UnitId("a"), s_ann, $"reason {i}");
        }
        (ledger, var givenUp) = ledger.GiveUp();
        Assert.Equal([(new UnitId("a"), "reason 2")], givenUp);
        Assert.Equal((0, 0), (ledger.Pending, ledger.Leased));
    }

    [Fact]
    public void A_failure_reported_by_a_worker_that_no_longer_has_the_unit_changes_nothing()
    {
        var (ledger, _) = Ledger("a").Lease(new(s_ann, ""), s_start);
        ledger = ledger.Expire(s_start);
        (ledger, _) = ledger.Lease(new(s_bob, ""), s_start);
        Assert.Same(ledger, ledger.Fail(new UnitId("a"), s_ann, "late"));
    }

    [Fact]
    public void Only_leases_past_their_deadline_expire()
    {
        var (ledger, _) = Ledger("a", "b").Lease(new(s_ann, ""), s_start);
        (ledger, _) = ledger.Lease(new(s_bob, ""), s_start + TimeSpan.FromSeconds(10));
        ledger = ledger.Expire(s_start + TimeSpan.FromSeconds(5));
        Assert.Equal((1, 1, "a"), (ledger.Pending, ledger.Leased, ledger.Next(new(s_ann, ""))!.Id.Value));
    }

    [Fact]
    public void Whatever_happens_every_unit_is_accepted_exactly_once()
    {
        for (var seed = 0; seed < 200; seed++)
        {
            var random = new Random(seed);
            UnitId[] ids = [.. Enumerable.Range(0, 12).Select(i => new UnitId($"u{i}"))];
            var ledger = ids.Aggregate(new WorkLedger(1000), (l, id) => l.Add(Unit(id.Value)));
            var accepted = ids.ToDictionary(id => id, _ => 0);
            var leased = new List<(UnitId Unit, WorkerId Worker)>();
            for (var now = s_start; accepted.Values.Any(n => n == 0); now += TimeSpan.FromSeconds(1))
            {
                var worker = new WorkerId($"w{random.Next(4)}");
                switch (random.Next(5))
                {
                    case 0 when ledger.Next(new(s_ann, "")) is not null:
                        (ledger, var unit) = ledger.Lease(new(worker, ""), now + TimeSpan.FromSeconds(3));
                        leased.Add((unit.Id, worker));
                        break;
                    case 1 when leased.Count > 0:
                        var (done, maker) = leased[random.Next(leased.Count)];
                        (ledger, var verdict) = Complete(ledger, done, "", maker);
                        accepted[done] += verdict == CompletionVerdict.Accepted ? 1 : 0;
                        break;
                    case 2 when leased.Count > 0:
                        var (failed, by) = leased[random.Next(leased.Count)];
                        ledger = ledger.Fail(failed, by, "no luck");
                        break;
                    case 3:
                        ledger = ledger.Lose(worker);
                        break;
                    case 4:
                        ledger = ledger.Expire(now);
                        break;
                }
            }
            Assert.All(accepted.Values, count => Assert.Equal(1, count));
            Assert.Equal((0, 0), (ledger.Pending, ledger.Leased));
        }
    }

    [Fact]
    public void A_completion_by_a_worker_that_was_never_given_the_unit_is_refused_and_the_unit_stays_where_it_is()
    {
        var (ledger, _) = Ledger("a").Lease(new(s_ann, ""), s_start);
        (ledger, var verdict) = Complete(ledger, new UnitId("a"), "", s_bob);
        Assert.Equal((CompletionVerdict.NotAssigned, 1), (verdict, ledger.Leased));
    }

    [Fact]
    public void An_audited_unit_goes_to_another_worker_of_the_same_class_and_counts_when_both_made_the_same_bits()
    {
        var (ledger, _) = Ledger("a").Lease(new(s_ann, "", "x"), s_start);
        (ledger, var first) = Audited(ledger, s_ann, 0.25f);
        Assert.Equal((CompletionVerdict.Audited, 1), (first.Verdict, ledger.Pending));
        Assert.Null(ledger.Next(new(s_ann, "", "x")));
        Assert.Null(ledger.Next(new(s_bob, "", "y")));
        (ledger, _) = ledger.Lease(new(s_bob, "", "x"), s_start);
        (ledger, var second) = Audited(ledger, s_bob, 0.25f);
        Assert.Equal((CompletionVerdict.Accepted, 0, 0), (second.Verdict, second.Liars.Count, ledger.Open));
        Assert.Equal(CompletionVerdict.Duplicate, Audited(ledger, s_bob, 0.25f).Completion.Verdict);
    }

    [Theory]
    [InlineData(0.25f, "bob")]
    [InlineData(0.75f, "ann")]
    public void Where_two_differ_a_third_decides_and_the_liar_is_named(float third, string liar)
    {
        var ledger = Ledger("a");
        foreach (var (worker, reward) in new[] { (s_ann, 0.25f), (s_bob, 0.75f), (new WorkerId("cid"), third) })
        {
            (ledger, _) = ledger.Lease(new(worker, "", "x"), s_start);
            (ledger, var completion) = Audited(ledger, worker, reward);
            if (worker.Value != "cid")
                Assert.Equal(CompletionVerdict.Audited, completion.Verdict);
            else
            {
                Assert.Equal([new WorkerId(liar)], completion.Liars);
                Assert.Equal([third], Assert.IsType<RewardResult>(completion.Result).Rewards);
            }
        }
    }

    [Fact]
    public void A_kept_result_counts_when_nobody_of_its_class_is_left_to_make_it_again_but_two_that_differ_wait()
    {
        var (ledger, _) = Ledger("a").Lease(new(s_ann, "", "x"), s_start);
        (ledger, _) = Audited(ledger, s_ann, 0.25f);
        Assert.Empty(ledger.Settle([new(s_ann, "", "x"), new(s_bob, "", "x")]).Settled);
        Assert.Equal(CompletionVerdict.Accepted, Assert.Single(ledger.Settle([new(s_bob, "", "y")]).Settled).Completion.Verdict);
        (ledger, _) = ledger.Lease(new(s_bob, "", "x"), s_start);
        (ledger, _) = Audited(ledger, s_bob, 0.75f);
        Assert.Empty(ledger.Settle([]).Settled);
    }

    [Fact]
    public void What_a_worker_made_of_an_audited_unit_goes_with_it()
    {
        var (ledger, _) = Ledger("a").Lease(new(s_ann, "", "x"), s_start);
        (ledger, _) = Audited(ledger, s_ann, 0.75f);
        ledger = ledger.Lose(s_ann);
        // Under another name it confirms nothing.
        (ledger, _) = ledger.Lease(new(new WorkerId("ann again"), "", "x"), s_start);
        (ledger, var again) = Audited(ledger, new WorkerId("ann again"), 0.75f);
        Assert.Equal(CompletionVerdict.Audited, again.Verdict);
    }

    [Fact]
    public void What_was_given_long_ago_to_a_worker_that_asks_again_never_arrived()
    {
        var (ledger, _) = Ledger("a").Lease(new(s_ann, ""), s_start);
        Assert.Equal(1, ledger.Miss(s_ann, s_start - TimeSpan.FromSeconds(1)).Leased);
        Assert.Equal(1, ledger.Miss(s_bob, s_start).Leased);
        for (var i = 0; i < 5; i++)
        {
            ledger = ledger.Miss(s_ann, s_start);
            Assert.Equal(1, ledger.Pending);
            (ledger, _) = ledger.Lease(new(s_ann, ""), s_start);
        }
        Assert.Empty(ledger.GiveUp().GivenUp);
    }

    private static (WorkLedger Ledger, Completion Completion) Audited(WorkLedger ledger, WorkerId worker, float reward) =>
        ledger.Complete(new UnitId("a"), worker, "", new RewardResult([reward]), audit: true);

    private static (WorkLedger Ledger, CompletionVerdict Verdict) Complete(WorkLedger ledger, UnitId id, string held, WorkerId? by = null)
    {
        (ledger, var completion) = ledger.Complete(id, by ?? s_ann, held, new RewardResult([1]));
        return (ledger, completion.Verdict);
    }

    private static WorkLedger Ledger(params string[] units) => units.Aggregate(new WorkLedger(3), (ledger, unit) => ledger.Add(Unit(unit)));

    private static RolloutUnit Unit(string id, string digest) =>
        new(new UnitId(id), [new GenerationRequest([1], 1)], new GenerationOptions(), new WeightsRef(1, digest, 1, ""), EndOfText.None);

    private static RewardUnit Unit(string id) => new(new UnitId(id), [new PromptContinuation("a", "b")]);
}
