using System.Diagnostics;
using DfPO.Actors.Weights;

namespace DfPO.Actors.Work;

/// <summary>The engine of a worker. Every call comes from the worker's one torch thread.</summary>
public interface IUnitExecutor : IDisposable
{
    /// <summary>Span name of its work.</summary>
    string SpanName { get; }

    /// <summary>The weights in the engine, as <see cref="WeightsRef.Needed"/> names them; empty when it has taken none.</summary>
    string HeldDigest { get; }

    /// <summary>Digest of the mask policy's weights in the engine; empty when it has taken none.</summary>
    string HeldMask { get; }

    /// <summary>Puts fetched, digest-checked weights into the engine.</summary>
    void Apply(WeightsRef weights, string file, ActivityContext parent);

    /// <summary>Puts fetched, digest-checked weights into the engine's mask policy.</summary>
    void ApplyMask(WeightsRef weights, string file, ActivityContext parent);

    /// <summary>Does a unit.</summary>
    /// <exception cref="DfPO.Models.DfpoException"><c>worker/unit</c>: a unit of another role.</exception>
    UnitResult Execute(WorkUnit unit, CancellationToken cancellation);
}
