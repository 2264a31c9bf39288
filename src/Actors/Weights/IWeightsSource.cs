namespace DfPO.Actors.Weights;

/// <summary>Holds weights that can be served: the learner's store, or a receiver that relays what it has. Thread-safe.</summary>
public interface IWeightsSource
{
    /// <summary>The weights of a digest, or null when it does not hold them.</summary>
    WeightsLease? Open(string digest);

    /// <summary>Whether weights of a digest are on their way here, so that asking again soon is worth it.</summary>
    bool Expects(string digest);
}
