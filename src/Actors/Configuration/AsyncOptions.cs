using System.ComponentModel.DataAnnotations;

namespace DfPO.Actors.Configuration;

/// <summary>Generation beside learning.</summary>
public sealed record AsyncOptions
{
    /// <summary>
    /// Most updates between the weights that draw a continuation and the weights that learn from it. 0 is the synchronous mode: an
    /// iteration's continuations come from its own weights, and engines and learner wait for each other. Else so many iterations are rolled
    /// out ahead.
    /// </summary>
    [Range(0, int.MaxValue)]
    public int MaxStaleness { get; init; }

    /// <summary>Weight versions that must stay available: those of units on their way, and one for a worker in mid-fetch.</summary>
    public int WeightVersions => MaxStaleness + 2;
}
