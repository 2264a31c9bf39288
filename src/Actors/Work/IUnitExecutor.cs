using System.Diagnostics;
using DfPO.Actors.Weights;

namespace DfPO.Actors.Work;

/// <summary>The engine of a worker. Every call comes from the worker's one torch thread.</summary>
public interface IUnitExecutor : IDisposable
{
    /// <summary>Span name of its work.</summary>
    string SpanName { get; }

    /// <summary>Digest of the weights in the engine; empty when it has taken none.</summary>
    string HeldDigest { get; }

    /// <summary>Puts fetched, digest-checked weights into the engine.</summary>
    void Apply(WeightsRef weights, string file, ActivityContext parent);

    /// <summary>Does a unit.</summary>
    /// <exception cref="DfPO.Models.DfpoException"><c>worker/unit</c>: a unit of another role.</exception>
    UnitResult Execute(WorkUnit unit, CancellationToken cancellation);
}
