namespace DfPO.Actors.Work;

/// <summary>What can happen to a worker.</summary>
public enum WorkEventKind
{
    /// <summary>It registered.</summary>
    Joined,

    /// <summary>It is gone.</summary>
    Left,

    /// <summary>It was not taken.</summary>
    Rejected,

    /// <summary>It is to fetch other weights before its next unit.</summary>
    Fetches,

    /// <summary>It was given a unit.</summary>
    Assigned,

    /// <summary>Its result counts.</summary>
    Done,

    /// <summary>Its result does not count.</summary>
    Refused,

    /// <summary>It failed, or was too slow; it may get no work for a while.</summary>
    Failed,

    /// <summary>Its node cannot be seen.</summary>
    OutOfSight,

    /// <summary>Its node can be seen again.</summary>
    InSight,
}

/// <summary>Something that happened to a worker, for those who watch a run.</summary>
/// <param name="Role">Its role.</param>
/// <param name="Worker">Its identity.</param>
/// <param name="Kind">What happened.</param>
public sealed record WorkEvent(string Role, string Worker, WorkEventKind Kind)
{
    /// <summary>Device, of one that joined.</summary>
    public string Device { get; init; } = "";

    /// <summary>The unit that it is about; empty for none.</summary>
    public string Unit { get; init; } = "";

    /// <summary>Version of the weights that the unit asks for; null for none.</summary>
    public int? Version { get; init; }

    /// <summary>Tokens that were generated, or texts that were rewarded.</summary>
    public int Count { get; init; }

    /// <summary>How long it took, where the unit's assignment is not an event of its own.</summary>
    public TimeSpan? Took { get; init; }

    /// <summary>Why; empty where there is nothing to say.</summary>
    public string Reason { get; init; } = "";
}
