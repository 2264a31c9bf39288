using System.Collections.Immutable;
using DfPO.Actors.Experiments;
using DfPO.Models.Policies;

namespace DfPO.Actors.Tests;

public sealed class AsyncScheduleTests
{
    private static readonly UnitGrid s_plain = new([DecodingPolicy.Policy], 2),
        s_masked = new([DecodingPolicy.Positive, DecodingPolicy.Negative], 2);

    [Fact]
    public void An_iteration_s_numbers_are_consecutive_one_behaviour_after_the_other()
    {
        Assert.Equal(
            [DecodingPolicy.Positive, DecodingPolicy.Positive, DecodingPolicy.Negative, DecodingPolicy.Negative, DecodingPolicy.Positive],
            Enumerable.Range(0, 5).Select(n => s_masked.Unit(n, 0).Behaviour)
        );
        Assert.Equal([(0, 0), (0, 1), (0, 0), (0, 1), (1, 0)], Enumerable.Range(0, 5).Select(n => s_masked.Place(n)));
    }

    [Fact]
    public void Without_staleness_an_iteration_is_submitted_whole_and_learnt_in_the_order_of_its_numbers()
    {
        IUnitSchedule schedule = new AsyncSchedule(s_masked, 0, 2);
        (schedule, var submitted, _) = schedule.Publish(0);
        Assert.Equal([0, 1, 2, 3], submitted.Select(unit => unit.Number));
        foreach (var unit in submitted.Reverse())
        {
            Assert.Null(schedule.Take());
            schedule = schedule.Arrive(unit);
        }
        Assert.Equal(submitted, schedule.Take()!.Value.Taken);
    }

    [Fact]
    public void With_staleness_later_iterations_are_submitted_ahead_but_none_after_the_last()
    {
        IUnitSchedule schedule = new AsyncSchedule(s_plain, 2, 4);
        (schedule, var first, _) = schedule.Publish(0);
        Assert.Equal([0, 1, 2, 3, 4, 5], first.Select(unit => unit.Number));
        (schedule, var second, _) = schedule.Publish(1);
        Assert.Equal([6, 7], second.Select(unit => unit.Number));
        (_, var third, _) = schedule.Publish(2);
        Assert.Empty(third);
    }

    [Fact]
    public void The_first_to_arrive_are_learnt_first_and_a_late_one_does_not_hold_the_others_up()
    {
        IUnitSchedule schedule = new AsyncSchedule(s_plain, 1, 9);
        (schedule, var units, _) = schedule.Publish(0);
        schedule = schedule.Arrive(units[2]).Arrive(units[1]).Arrive(units[3]);
        var (next, taken) = schedule.Take()!.Value;
        Assert.Equal([units[2], units[1]], taken);
        Assert.Null(next.Take());
        Assert.Equal([units[3], units[0]], next.Arrive(units[0]).Take()!.Value.Taken);
    }

    [Fact]
    public void What_would_be_dropped_next_is_learnt_before_what_arrived_sooner()
    {
        IUnitSchedule schedule = new AsyncSchedule(s_plain, 1, 9);
        (schedule, var old, _) = schedule.Publish(0);
        schedule = schedule.Arrive(old[0]).Arrive(old[1]).Take()!.Value.Next;
        (schedule, var young, _) = schedule.Publish(1);
        schedule = schedule.Arrive(young[0]).Arrive(old[2]).Arrive(old[3]);
        Assert.Equal([old[2], old[3]], schedule.Take()!.Value.Taken);
    }

    [Fact]
    public void Each_behaviour_waits_for_its_own_units()
    {
        IUnitSchedule schedule = new AsyncSchedule(s_masked, 1, 9);
        (schedule, var units, _) = schedule.Publish(0);
        foreach (var positive in units.Where(unit => unit.Behaviour == DecodingPolicy.Positive))
            schedule = schedule.Arrive(positive);
        Assert.Null(schedule.Take());
        foreach (var negative in units.Where(unit => unit.Behaviour == DecodingPolicy.Negative).Take(2))
            schedule = schedule.Arrive(negative);
        Assert.Equal([0, 1, 2, 3], schedule.Take()!.Value.Taken.Select(unit => unit.Number));
    }

    [Fact]
    public void What_has_grown_too_old_is_dropped_arrived_or_not_and_submitted_again_with_the_new_weights()
    {
        IUnitSchedule schedule = new AsyncSchedule(s_plain, 1, 9);
        (schedule, var units, _) = schedule.Publish(0);
        schedule = schedule.Arrive(units[0]).Arrive(units[1]).Take()!.Value.Next.Arrive(units[2]);
        (schedule, _, var early) = schedule.Publish(1);
        Assert.Empty(early);
        (schedule, var submitted, var dropped) = schedule.Publish(2);
        Assert.Equal([units[2], units[3]], dropped);
        Assert.Equal([(2, 2), (3, 2)], submitted.Take(2).Select(unit => (unit.Number, unit.Version)));
        Assert.Same(schedule, schedule.Arrive(units[3]));
    }

    [Fact]
    public void Whatever_the_order_of_arrival_staleness_is_bounded_behaviours_are_balanced_and_each_unit_is_learnt_once()
    {
        var random = new Random(1);
        var drops = 0;
        for (var round = 0; round < 300; round++)
        {
            var (grid, staleness, iterations) = (
                new UnitGrid(random.Next(2) == 0 ? s_plain.Behaviours : s_masked.Behaviours, random.Next(1, 5)),
                random.Next(4),
                random.Next(1, 12)
            );
            IUnitSchedule schedule = new AsyncSchedule(grid, staleness, iterations);
            List<long> learnt = [];
            List<TrainingUnit> inFlight = [];
            for (var version = 0; version < iterations; version++)
            {
                if (random.Next(4) == 0)
                {
                    // Killed and resumed: nothing is known but what was learnt.
                    staleness = random.Next(4);
                    schedule = new AsyncSchedule(grid, staleness, iterations) { Learnt = [.. learnt] };
                    inFlight.Clear();
                }
                (schedule, var submit, var drop) = schedule.Publish(version);
                drops += drop.Count;
                Assert.All(submit, unit => Assert.Equal(grid.Unit(unit.Number, version), unit));
                inFlight.AddRange(submit);
                Assert.InRange(
                    Outstanding(schedule),
                    grid.PerIteration,
                    grid.PerIteration * (staleness + 1) + Ahead(learnt, version, grid)
                );
                while (schedule.Take() is null)
                {
                    Assert.NotEmpty(inFlight);
                    // Mostly in order, as workers do; sometimes not at all.
                    var at = random.Next(random.Next(3) == 0 ? inFlight.Count : Math.Min(2, inFlight.Count));
                    schedule = schedule.Arrive(inFlight[at]);
                    inFlight.RemoveAt(at);
                }
                (schedule, var taken) = schedule.Take()!.Value;
                Assert.All(taken, unit => Assert.InRange(version - unit.Version, 0, staleness));
                Assert.All(grid.Behaviours, behaviour =>
                    Assert.Equal(grid.UnitsPerBehaviour, taken.Count(unit => unit.Behaviour == behaviour))
                );
                learnt.AddRange(taken.Select(unit => unit.Number));
            }
            Assert.Equal(Enumerable.Range(0, grid.PerIteration * iterations).Select(n => (long)n), learnt.Order());
            Assert.Equal(0, Outstanding(schedule));
        }
        Assert.InRange(drops, 100, int.MaxValue);
    }

    /// <summary>Units learnt that a run with less staleness would not have submitted yet.</summary>
    private static int Ahead(List<long> learnt, int version, UnitGrid grid) =>
        learnt.Count(number => grid.Place(number).Iteration >= version);

    private static int Outstanding(IUnitSchedule schedule) =>
        ((AsyncSchedule)schedule).InFlight.Count + ((AsyncSchedule)schedule).Arrived.Count;
}
