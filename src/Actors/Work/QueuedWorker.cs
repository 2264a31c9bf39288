using Akka.Actor;
using DfPO.Actors.Weights;

namespace DfPO.Actors.Work;

/// <summary>A worker as its queue sees it. Not thread-safe: the queue owns it.</summary>
/// <param name="id">Identity.</param>
/// <param name="actor">Its actor.</param>
/// <param name="bulkUrl">Where its process relays weights; empty when it does not.</param>
public sealed class QueuedWorker(WorkerId id, IActorRef actor, string bulkUrl)
{
    // As long as a fetch of weights may take at most.
    private static readonly TimeSpan s_preparation = TimeSpan.FromMinutes(15);
    private DateTimeOffset _preparingUntil;

    /// <summary>Identity.</summary>
    public WorkerId Id => id;

    /// <summary>Its actor.</summary>
    public IActorRef Ref => actor;

    /// <summary>Where its process relays weights; empty when it does not.</summary>
    public string BulkUrl => bulkUrl;

    /// <summary>It asked for work and has not been given any since.</summary>
    public bool Idle { get; private set; }

    /// <summary>The weights in its engine, as <see cref="WeightsRef.Needed"/> names them.</summary>
    public string HeldDigest { get; private set; } = "";

    /// <summary>Its circuit breaker.</summary>
    public WorkerHealth Health { get; set; } = WorkerHealth.Good;

    /// <summary>The cluster sees its node.</summary>
    public bool Reachable { get; set; } = true;

    /// <summary>It builds its engine or takes weights, and will ask for work when it has done so.</summary>
    public void Prepares(DateTimeOffset now) => (Idle, _preparingUntil) = (false, now + s_preparation);

    /// <summary>It asks for work.</summary>
    public void Asks(string heldDigest) => (Idle, HeldDigest, _preparingUntil) = (true, heldDigest, default);

    /// <summary>It has a unit.</summary>
    public void Works() => Idle = false;

    /// <summary>Whether it can be given work now.</summary>
    public bool IsReady(DateTimeOffset now) => Idle && Reachable && Health.MayWork(now);

    /// <summary>Whether it is worth waiting for: one that failed so often in a row, or never came back for more, is not.</summary>
    public bool IsHopeful(DateTimeOffset now, int maxFailures) =>
        Reachable && Health.Failures < maxFailures && (Idle || now < _preparingUntil);
}
