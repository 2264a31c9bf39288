using Akka.Actor;
using DfPO.Actors.Timing;
using DfPO.Actors.Weights;

namespace DfPO.Actors.Work;

/// <summary>A worker as its queue sees it. Times are those of <see cref="ActiveClock"/>.</summary>
/// <param name="Id">Identity.</param>
/// <param name="Ref">Its actor.</param>
/// <param name="BulkUrl">Where its process relays weights; empty when it does not.</param>
public sealed record QueuedWorker(WorkerId Id, IActorRef Ref, string BulkUrl)
{
    // As long as a fetch of weights may take at most.
    private static readonly TimeSpan s_preparation = TimeSpan.FromMinutes(15);

    /// <summary>It asked for work and has not been given any since.</summary>
    public bool Idle { get; private init; }

    /// <summary>The weights in its engine, as <see cref="WeightsRef.Needed"/> names them.</summary>
    public string HeldDigest { get; private init; } = "";

    /// <summary>Workers of one class make the same bits of a unit.</summary>
    public string MachineClass { get; init; } = "";

    /// <summary>Its circuit breaker.</summary>
    public WorkerHealth Health { get; init; } = WorkerHealth.Good;

    /// <summary>The cluster sees its node.</summary>
    public bool Reachable { get; init; } = true;

    private TimeSpan PreparingUntil { get; init; }

    /// <summary>It builds its engine or takes weights, and will ask for work when it has done so.</summary>
    public QueuedWorker Prepares(TimeSpan now) => this with { Idle = false, PreparingUntil = now + s_preparation };

    /// <summary>It asks for work.</summary>
    public QueuedWorker Asks(string heldDigest) =>
        this with
        {
            Idle = true,
            HeldDigest = heldDigest,
            PreparingUntil = default,
        };

    /// <summary>It has a unit.</summary>
    public QueuedWorker Works() => this with { Idle = false };

    /// <summary>Whether it can be given work now.</summary>
    public bool IsReady(TimeSpan now) => Idle && Reachable && Health.MayWork(now);

    /// <summary>Whether it is worth waiting for: one that failed so often in a row, or never came back for more, is not.</summary>
    public bool IsHopeful(TimeSpan now, int maxFailures) =>
        Reachable && Health.Failures < maxFailures && (Idle || now < PreparingUntil);
}
