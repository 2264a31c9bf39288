using System.Collections.Immutable;

namespace DfPO.Actors.Experiments;

/// <summary>
/// Does again what a journal says: each unit is submitted when the weights that it was rolled out with are there, and learnt where it was
/// learnt.
/// </summary>
/// <param name="Lines">A journal from the first iteration on.</param>
public sealed record ReplaySchedule(IReadOnlyList<JournalLine> Lines) : IUnitSchedule
{
    private ImmutableHashSet<TrainingUnit> Arrived { get; init; } = [];

    private int Taken { get; init; }

    /// <inheritdoc/>
    public (IUnitSchedule Next, IReadOnlyList<TrainingUnit> Submit, IReadOnlyList<TrainingUnit> Drop) Publish(int version) =>
        (this, [.. Lines.Skip(version).SelectMany(line => line.Units).Where(unit => unit.Version == version)], []);

    /// <inheritdoc/>
    public IUnitSchedule Arrive(TrainingUnit unit) => this with { Arrived = Arrived.Add(unit) };

    /// <inheritdoc/>
    public (IUnitSchedule Next, IReadOnlyList<TrainingUnit> Taken)? Take()
    {
        var units = Lines[Taken].Units;
        return units.All(Arrived.Contains) ? (this with { Arrived = Arrived.Except(units), Taken = Taken + 1 }, units) : null;
    }
}
