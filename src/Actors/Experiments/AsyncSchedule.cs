using System.Collections.Immutable;

namespace DfPO.Actors.Experiments;

/// <summary>
/// Generation that runs ahead of learning by at most <paramref name="MaxStaleness"/> versions. With weights version v there, the units of
/// the iterations up to <c>v + MaxStaleness</c> have been submitted, each with the newest weights of its time (the rule of AReaL, Fu et al.
/// 2025, section
/// 5.1). An update takes the first finished ones, of each behaviour as many as an iteration has; of those that wait, the ones with the
/// oldest weights come first, for they would be the next to be dropped. What has grown too old, finished or not, is dropped and submitted
/// again.
/// </summary>
/// <remarks>
/// With staleness 0 this is the synchronous mode: an iteration's units are submitted together, and learnt in the order of their numbers
/// whatever the order of arrival.
/// </remarks>
/// <param name="Grid">Numbers of units.</param>
/// <param name="MaxStaleness">Most versions between the weights that rolled a unit out and those that learn from it; at least 0.</param>
/// <param name="Iterations">Iterations of the run: no unit is submitted for later ones.</param>
public sealed record AsyncSchedule(UnitGrid Grid, int MaxStaleness, int Iterations) : IUnitSchedule
{
    /// <summary>Numbers of the units that were learnt from.</summary>
    public ImmutableHashSet<long> Learnt { get; init; } = [];

    /// <summary>Submitted and not arrived.</summary>
    public ImmutableHashSet<TrainingUnit> InFlight { get; private init; } = [];

    /// <summary>Arrived and not learnt from, in the order of arrival.</summary>
    public ImmutableList<TrainingUnit> Arrived { get; private init; } = [];

    /// <summary>Every number below this one was submitted.</summary>
    private long Submitted { get; init; }

    /// <inheritdoc/>
    public (IUnitSchedule Next, IReadOnlyList<TrainingUnit> Submit, IReadOnlyList<TrainingUnit> Drop) Publish(int version)
    {
        TrainingUnit[] stale =
        [
            .. InFlight.Concat(Arrived).Where(unit => version - unit.Version > MaxStaleness).OrderBy(unit => unit.Number),
        ];
        var end = Math.Max(Submitted, Math.Min((long)version + MaxStaleness + 1, Iterations) * Grid.PerIteration);
        TrainingUnit[] submit =
        [
            .. stale
                .Select(unit => unit.Number)
                .Concat(Numbers(Submitted, end))
                .Where(number => !Learnt.Contains(number))
                .Select(number => Grid.Unit(number, version)),
        ];
        return (
            this with
            {
                InFlight = InFlight.Except(stale).Union(submit),
                Arrived = Arrived.RemoveRange(stale),
                Submitted = end,
            },
            submit,
            stale
        );
    }

    /// <inheritdoc/>
    public IUnitSchedule Arrive(TrainingUnit unit) =>
        InFlight.Contains(unit) ? this with { InFlight = InFlight.Remove(unit), Arrived = Arrived.Add(unit) } : this;

    /// <inheritdoc/>
    public (IUnitSchedule Next, IReadOnlyList<TrainingUnit> Taken)? Take()
    {
        if (MaxStaleness == 0 && !InFlight.IsEmpty)
            return null;
        var ordered = MaxStaleness == 0 ? Arrived.OrderBy(unit => unit.Number) : Arrived.OrderBy(unit => unit.Version);
        TrainingUnit[] taken = [.. ordered.GroupBy(unit => unit.Behaviour).SelectMany(units => units.Take(Grid.UnitsPerBehaviour))];
        return taken.Length < Grid.PerIteration
            ? null
            : (this with { Arrived = Arrived.RemoveRange(taken), Learnt = Learnt.Union(taken.Select(unit => unit.Number)) }, taken);
    }

    private static IEnumerable<long> Numbers(long from, long to)
    {
        for (var number = from; number < to; number++)
            yield return number;
    }
}
