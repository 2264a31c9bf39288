namespace DfPO.Actors.Experiments;

/// <summary>
/// Which training units are submitted when, and which of the finished ones an update learns from. Immutable: pure transitions, no clock.
/// </summary>
public interface IUnitSchedule
{
    /// <summary>Weights of a version are there.</summary>
    /// <returns>Units to submit with these weights, and submitted ones that will not be learnt from any more.</returns>
    (IUnitSchedule Next, IReadOnlyList<TrainingUnit> Submit, IReadOnlyList<TrainingUnit> Drop) Publish(int version);

    /// <summary>A unit was rolled out and rewarded; one that nothing is known of, or that was dropped, changes nothing.</summary>
    IUnitSchedule Arrive(TrainingUnit unit);

    /// <summary>Takes the next update's units, in the order in which they are learnt; null while they have not all arrived.</summary>
    (IUnitSchedule Next, IReadOnlyList<TrainingUnit> Taken)? Take();
}
