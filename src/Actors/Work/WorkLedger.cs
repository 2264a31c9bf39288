using System.Collections.Immutable;

namespace DfPO.Actors.Work;

/// <summary>What became of a completion.</summary>
public enum CompletionVerdict
{
    /// <summary>First result of the unit: it counts.</summary>
    Accepted,

    /// <summary>The unit was done before: it is counted as a duplicate and never learnt from.</summary>
    Duplicate,

    /// <summary>Made with other weights than the unit asked for: refused, and the unit is handed out again.</summary>
    WrongWeights,

    /// <summary>No such unit.</summary>
    Unknown,

    /// <summary>By a worker that the unit was never handed to: refused, and the unit stays with whom it was handed to.</summary>
    NotAssigned,
}

/// <summary>
/// Who has which unit: pure transitions, no clock and no actor. A unit is pending, leased to one worker until a deadline, or done; it is
/// handed out again when the lease runs out, the worker goes or the work fails, and given up after a number of attempts.
/// </summary>
public sealed record WorkLedger(int MaxAttempts)
{
    /// <summary>
    /// Units that may be handed out before the one at the queue's head, because they save a worker a change of weights; then the head is
    /// next, whatever the worker holds.
    /// </summary>
    public const int MaxPassedOver = 8;

    private sealed record Entry(WorkUnit Unit, int Attempts, WorkerId? Holder, DateTimeOffset Deadline, string LastFailure)
    {
        /// <summary>Units that were handed out before it while it was at the head.</summary>
        public int PassedOver { get; init; }

        /// <summary>All whom it was ever handed to.</summary>
        public ImmutableHashSet<WorkerId> Holders { get; init; } = [];

        public bool Fits(string heldDigest) => Unit.RequiredWeights is not { } weights || weights.Needed == heldDigest;
    }

    private ImmutableDictionary<UnitId, Entry> Open { get; init; } = ImmutableDictionary<UnitId, Entry>.Empty;

    private ImmutableList<UnitId> Queue { get; init; } = [];

    private ImmutableHashSet<UnitId> Done { get; init; } = [];

    /// <summary>Units that wait for a worker.</summary>
    public int Pending => Queue.Count;

    /// <summary>Units that a worker has.</summary>
    public int Leased => Open.Count - Queue.Count;

    /// <summary>Completions of units that were done already.</summary>
    public long Duplicates { get; init; }

    /// <summary>Completions refused for their weights.</summary>
    public long Refused { get; init; }

    /// <summary>
    /// The unit for a worker that asks: the first that fits the weights it holds, else the queue's head, whose weights it must take first.
    /// Null where none waits.
    /// </summary>
    /// <param name="heldDigest">The weights in its engine, as <see cref="Weights.WeightsRef.Needed"/> names them.</param>
    public WorkUnit? Next(string heldDigest)
    {
        if (Queue.IsEmpty)
            return null;
        var head = Open[Queue[0]];
        return head.PassedOver >= MaxPassedOver
            ? head.Unit
            : (Queue.Select(id => Open[id]).FirstOrDefault(entry => entry.Fits(heldDigest)) ?? head).Unit;
    }

    /// <summary>Adds a unit; one that is known, open or done, is not added twice.</summary>
    public WorkLedger Add(WorkUnit unit) =>
        Open.ContainsKey(unit.Id) || Done.Contains(unit.Id)
            ? this
            : this with
            {
                Open = Open.Add(unit.Id, new Entry(unit, 0, null, default, "")),
                Queue = Queue.Add(unit.Id),
            };

    /// <summary>Leases <see cref="Next"/>, which there is, to a worker.</summary>
    /// <param name="worker">The worker.</param>
    /// <param name="heldDigest">The weights in its engine.</param>
    /// <param name="deadline">When the lease runs out.</param>
    public (WorkLedger Ledger, WorkUnit Unit) Lease(WorkerId worker, string heldDigest, DateTimeOffset deadline)
    {
        var (head, unit) = (Queue[0], Next(heldDigest)!);
        var entry = Open[unit.Id];
        var open = Open.SetItem(
            unit.Id,
            entry with
            {
                Holder = worker,
                Deadline = deadline,
                Attempts = entry.Attempts + 1,
                PassedOver = 0,
                Holders = entry.Holders.Add(worker),
            }
        );
        if (unit.Id != head)
            open = open.SetItem(head, open[head] with { PassedOver = open[head].PassedOver + 1 });
        return (this with { Queue = Queue.Remove(unit.Id), Open = open }, unit);
    }

    /// <summary>
    /// Takes a completion by one whom the unit was handed to. A late one counts too when no other came first, for a unit's result does not
    /// depend on who made it.
    /// </summary>
    public (WorkLedger Ledger, CompletionVerdict Verdict) Complete(UnitId id, WorkerId worker, string heldDigest)
    {
        if (Done.Contains(id))
            return (this with { Duplicates = Duplicates + 1 }, CompletionVerdict.Duplicate);
        if (!Open.TryGetValue(id, out var entry))
            return (this, CompletionVerdict.Unknown);
        if (!entry.Holders.Contains(worker))
            return (this, CompletionVerdict.NotAssigned);
        if (!entry.Fits(heldDigest))
            return (
                (this with { Refused = Refused + 1 }).Requeue(id, $"a completion was made with weights {heldDigest}"),
                CompletionVerdict.WrongWeights
            );
        return (this with { Open = Open.Remove(id), Queue = Queue.Remove(id), Done = Done.Add(id) }, CompletionVerdict.Accepted);
    }

    /// <summary>The worker says that it cannot do the unit.</summary>
    public WorkLedger Fail(UnitId id, WorkerId worker, string reason) =>
        Open.TryGetValue(id, out var entry) && entry.Holder == worker ? Requeue(id, reason) : this;

    /// <summary>
    /// The worker gives the unit back without having tried it: it is handed out again, and the attempt is not held against it.
    /// </summary>
    public WorkLedger Return(UnitId id, WorkerId worker) =>
        Open.TryGetValue(id, out var entry) && entry.Holder == worker ? Untried(id, entry, $"worker {worker} gave it back") : this;

    /// <summary>The worker is gone: everything it had is handed out again, and the attempt is not held against the unit.</summary>
    public WorkLedger Lose(WorkerId worker)
    {
        var ledger = this;
        foreach (var (id, entry) in Open.Where(pair => pair.Value.Holder == worker))
            ledger = ledger.Untried(id, entry, $"worker {worker} was lost");
        return ledger;
    }

    /// <summary>Workers whose leases ran out.</summary>
    public IEnumerable<WorkerId> Overdue(DateTimeOffset now) =>
        Open.Values.Where(entry => entry.Deadline <= now).Select(entry => entry.Holder).OfType<WorkerId>();

    /// <summary>Leases that ran out are handed out again.</summary>
    public WorkLedger Expire(DateTimeOffset now)
    {
        var ledger = this;
        foreach (var (id, entry) in Open.Where(pair => pair.Value.Holder is not null && pair.Value.Deadline <= now))
            ledger = ledger.Requeue(id, $"worker {entry.Holder} did not return it in time");
        return ledger;
    }

    /// <summary>Takes out the units that were tried too often.</summary>
    public (WorkLedger Ledger, IReadOnlyList<(UnitId Unit, string Reason)> GivenUp) GiveUp()
    {
        var exhausted = Open.Where(pair => pair.Value.Holder is null && pair.Value.Attempts >= MaxAttempts)
            .Select(pair => (pair.Key, pair.Value.LastFailure))
            .ToArray();
        return (Without(exhausted.Select(e => e.Key)), exhausted);
    }

    /// <summary>Takes out a unit that is no longer wanted; a completion that comes nevertheless is of an unknown unit.</summary>
    public WorkLedger Withdraw(UnitId id) => Without([id]);

    /// <summary>Takes out every open unit.</summary>
    public (WorkLedger Ledger, IReadOnlyList<UnitId> Units) Clear() => (Without(Open.Keys), [.. Open.Keys]);

    private WorkLedger Without(IEnumerable<UnitId> units)
    {
        var gone = units.ToHashSet();
        return this with { Open = Open.RemoveRange(gone), Queue = Queue.RemoveAll(gone.Contains) };
    }

    private WorkLedger Untried(UnitId id, Entry entry, string reason) =>
        (this with { Open = Open.SetItem(id, entry with { Attempts = entry.Attempts - 1 }) }).Requeue(id, reason);

    /// <summary>To the head of the queue: a unit that was started is the one that others wait for.</summary>
    private WorkLedger Requeue(UnitId id, string reason) =>
        this with
        {
            Open = Open.SetItem(id, Open[id] with { Holder = null, LastFailure = reason }),
            Queue = Queue.Contains(id) ? Queue : Queue.Insert(0, id),
        };
}
