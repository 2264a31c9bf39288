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

    /// <summary>By a worker that was never given the unit: refused, and the unit stays where it is.</summary>
    NotAssigned,

    /// <summary>Kept until another worker has done the unit again, and both are compared.</summary>
    Audited,
}

/// <summary>A completion, and what follows from it.</summary>
/// <param name="Verdict">What became of it.</param>
/// <param name="Result">The unit's result, where it is <see cref="CompletionVerdict.Accepted"/>.</param>
/// <param name="Maker">Who made that result first; where the unit was audited, another worker made the same bits.</param>
/// <param name="Liars">Workers whose results were other bits than those that two others made.</param>
public sealed record Completion(CompletionVerdict Verdict, UnitResult? Result, WorkerId Maker, IReadOnlyList<WorkerId> Liars);

/// <summary>A worker as it asks for a unit.</summary>
/// <param name="Worker">Identity.</param>
/// <param name="HeldDigest">The weights in its engine, as <see cref="Weights.WeightsRef.Needed"/> names them.</param>
/// <param name="MachineClass">Workers of one class make the same bits of a unit.</param>
public readonly record struct Asker(WorkerId Worker, string HeldDigest, string MachineClass = "");

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

    private sealed record Entry(WorkUnit Unit, int Attempts, WorkerId? Holder, TimeSpan Deadline, string LastFailure)
    {
        /// <summary>Counts the units in the order of their coming: what concerns several of them happens in that order.</summary>
        public required long Number { get; init; }

        /// <summary>Units that were handed out before it while it was at the head.</summary>
        public int PassedOver { get; init; }

        /// <summary>All workers that were given it, with their classes of machines.</summary>
        public ImmutableDictionary<WorkerId, string> Given { get; init; } = ImmutableDictionary<WorkerId, string>.Empty;

        /// <summary>Results of an audited unit, of which no two are the same bits yet.</summary>
        public ImmutableList<(WorkerId Worker, UnitResult Result)> Candidates { get; init; } = [];

        public bool Fits(string heldDigest) => Unit.RequiredWeights is not { } weights || weights.Needed == heldDigest;

        /// <summary>An audit wants somebody else, whose machine makes the same bits.</summary>
        public bool IsFor(WorkerId worker, string machineClass) =>
            Candidates.IsEmpty || (Candidates.TrueForAll(made => made.Worker != worker) && Given[Candidates[0].Worker] == machineClass);
    }

    /// <summary>Units that wait or are being done.</summary>
    public int Open => Entries.Count;

    private ImmutableDictionary<UnitId, Entry> Entries { get; init; } = ImmutableDictionary<UnitId, Entry>.Empty;

    private ImmutableList<UnitId> Queue { get; init; } = [];

    private long Added { get; init; }

    private IEnumerable<KeyValuePair<UnitId, Entry>> InOrder(Func<Entry, bool> which) =>
        Entries.Where(pair => which(pair.Value)).OrderBy(pair => pair.Value.Number);

    private ImmutableHashSet<UnitId> Done { get; init; } = [];

    /// <summary>Units that wait for a worker.</summary>
    public int Pending => Queue.Count;

    /// <summary>Units that a worker has.</summary>
    public int Leased => Entries.Count - Queue.Count;

    /// <summary>Completions of units that were done already.</summary>
    public long Duplicates { get; init; }

    /// <summary>Completions refused for their weights.</summary>
    public long Refused { get; init; }

    /// <summary>
    /// The unit for a worker that asks: the first that fits the weights it holds, else the queue's head, whose weights it must take first.
    /// Null where none waits for it.
    /// </summary>
    public WorkUnit? Next(Asker asker) => Waiting(asker).Next?.Unit;

    private (Entry? Head, Entry? Next) Waiting(Asker asker)
    {
        var mine = Queue.Select(id => Entries[id]).Where(entry => entry.IsFor(asker.Worker, asker.MachineClass));
        var head = mine.FirstOrDefault();
        return (head, head is null || head.PassedOver >= MaxPassedOver ? head : mine.FirstOrDefault(e => e.Fits(asker.HeldDigest)) ?? head);
    }

    /// <summary>Adds a unit; one that is known, open or done, is not added twice.</summary>
    public WorkLedger Add(WorkUnit unit) =>
        Entries.ContainsKey(unit.Id) || Done.Contains(unit.Id)
            ? this
            : this with
            {
                Entries = Entries.Add(unit.Id, new Entry(unit, 0, null, default, "") { Number = Added }),
                Added = Added + 1,
                Queue = Queue.Add(unit.Id),
            };

    /// <summary>Leases <see cref="Next"/>, which there is, to a worker.</summary>
    /// <param name="asker">The worker.</param>
    /// <param name="deadline">When the lease runs out.</param>
    public (WorkLedger Ledger, WorkUnit Unit) Lease(Asker asker, TimeSpan deadline)
    {
        var (head, next) = Waiting(asker);
        var unit = next!.Unit;
        var open = Entries.SetItem(
            unit.Id,
            next with
            {
                Holder = asker.Worker,
                Deadline = deadline,
                Attempts = next.Attempts + 1,
                PassedOver = 0,
                Given = next.Given.SetItem(asker.Worker, asker.MachineClass),
            }
        );
        if (head!.Unit.Id != unit.Id)
            open = open.SetItem(head.Unit.Id, head with { PassedOver = head.PassedOver + 1 });
        return (this with { Queue = Queue.Remove(unit.Id), Entries = open }, unit);
    }

    /// <summary>The unit that a worker was given, if it is open still.</summary>
    public WorkUnit? Given(UnitId id, WorkerId worker) =>
        Entries.TryGetValue(id, out var entry) && entry.Given.ContainsKey(worker) ? entry.Unit : null;

    /// <summary>
    /// Takes a completion. A late one counts too when no other came first, for a unit's result does not depend on who made it.
    /// </summary>
    /// <param name="id">The unit.</param>
    /// <param name="worker">Who made it.</param>
    /// <param name="heldDigest">The weights that it was made with.</param>
    /// <param name="result">The result.</param>
    /// <param name="audit">Whether the first result is kept until a second worker has made the same bits; where two differ, a third
    /// decides.</param>
    public (WorkLedger Ledger, Completion Completion) Complete(
        UnitId id,
        WorkerId worker,
        string heldDigest,
        UnitResult result,
        bool audit = false
    )
    {
        (WorkLedger, Completion) Unused(WorkLedger ledger, CompletionVerdict verdict) => (ledger, new(verdict, null, worker, []));
        if (Done.Contains(id))
            return Unused(this with { Duplicates = Duplicates + 1 }, CompletionVerdict.Duplicate);
        if (!Entries.TryGetValue(id, out var entry))
            return Unused(this, CompletionVerdict.Unknown);
        if (!entry.Given.TryGetValue(worker, out var machineClass))
            return Unused(this, CompletionVerdict.NotAssigned);
        if (!entry.Fits(heldDigest))
            return Unused(
                (this with { Refused = Refused + 1 }).TakenFrom(worker, id, $"a completion was made with weights {heldDigest}"),
                CompletionVerdict.WrongWeights
            );
        if (entry.Candidates.IsEmpty && !audit)
            return Accepted(id, result, worker, []);
        if (!entry.IsFor(worker, machineClass))
            return Unused((this with { Duplicates = Duplicates + 1 }).Untaken(worker, id), CompletionVerdict.Duplicate);
        if (entry.Candidates.Find(made => UnitResultBits.AreEqual(made.Result, result)) is { Result: { } first } same)
            return Accepted(id, first, same.Worker, [.. entry.Candidates.Remove(same).Select(made => made.Worker)]);
        var kept = this with { Entries = Entries.SetItem(id, entry with { Candidates = entry.Candidates.Add((worker, result)) }) };
        return Unused(kept.Untaken(worker, id), CompletionVerdict.Audited);
    }

    private (WorkLedger, Completion) Accepted(UnitId id, UnitResult result, WorkerId maker, IReadOnlyList<WorkerId> liars) =>
        (
            this with
            {
                Entries = Entries.Remove(id),
                Queue = Queue.Remove(id),
                Done = Done.Add(id),
            },
            new(CompletionVerdict.Accepted, result, maker, liars)
        );

    /// <summary>
    /// Accepts kept results that nobody is there to make again: one that stands alone, of a class of machines that has no other worker.
    /// Where two differ, a third is waited for.
    /// </summary>
    /// <param name="workers">Who is there, and may be given work.</param>
    public (WorkLedger Ledger, IReadOnlyList<(UnitId Unit, Completion Completion)> Settled) Settle(IReadOnlyCollection<Asker> workers)
    {
        var (ledger, settled) = (this, new List<(UnitId, Completion)>());
        foreach (var (id, entry) in InOrder(entry => entry is { Candidates.Count: 1, Holder: null }))
            if (!workers.Any(asker => entry.IsFor(asker.Worker, asker.MachineClass)))
            {
                var (maker, result) = entry.Candidates[0];
                (ledger, var completion) = ledger.Accepted(id, result, maker, []);
                settled.Add((id, completion));
            }
        return (ledger, settled);
    }

    /// <summary>A result that cannot be: the unit is handed out again, and the attempt is not held against it.</summary>
    public WorkLedger Reject(UnitId id, WorkerId worker) => (this with { Refused = Refused + 1 }).Untaken(worker, id);

    private WorkLedger TakenFrom(WorkerId worker, UnitId id, string reason) => Entries[id].Holder == worker ? Requeue(id, reason) : this;

    private WorkLedger Untaken(WorkerId worker, UnitId id) =>
        Entries[id] is { Holder: { } holder } entry && holder == worker ? Untried(id, entry, $"worker {worker} is done with it") : this;

    /// <summary>The worker says that it cannot do the unit.</summary>
    public WorkLedger Fail(UnitId id, WorkerId worker, string reason) =>
        Entries.TryGetValue(id, out var entry) && entry.Holder == worker ? Requeue(id, reason) : this;

    /// <summary>
    /// The worker gives the unit back without having tried it: it is handed out again, and the attempt is not held against it.
    /// </summary>
    public WorkLedger Return(UnitId id, WorkerId worker) =>
        Entries.TryGetValue(id, out var entry) && entry.Holder == worker ? Untried(id, entry, $"worker {worker} gave it back") : this;

    /// <summary>
    /// The worker is gone: everything it had is handed out again, and the attempt is not held against the unit. What it made of audited
    /// units goes with it: it could come back under another name and confirm it.
    /// </summary>
    public WorkLedger Lose(WorkerId worker)
    {
        var ledger = this;
        foreach (var (id, entry) in InOrder(entry => entry.Holder == worker))
            ledger = ledger.Untried(id, entry, $"worker {worker} was lost");
        foreach (var (id, _) in InOrder(entry => entry.Candidates.Exists(made => made.Worker == worker)))
        {
            var entry = ledger.Entries[id];
            var candidates = entry.Candidates.RemoveAll(made => made.Worker == worker);
            ledger = ledger with { Entries = ledger.Entries.SetItem(id, entry with { Candidates = candidates }) };
        }
        return ledger;
    }

    /// <summary>
    /// A worker that asks for work has none: what it was given long enough ago never arrived, or its report did not, and is handed out
    /// again. The attempt is not held against the unit.
    /// </summary>
    /// <param name="worker">The worker.</param>
    /// <param name="deadline">Leases that run out up to then were given long enough ago.</param>
    public WorkLedger Miss(WorkerId worker, TimeSpan deadline)
    {
        var ledger = this;
        foreach (var (id, entry) in InOrder(entry => entry.Holder == worker && entry.Deadline <= deadline))
            ledger = ledger.Untried(id, entry, $"worker {worker} never got it");
        return ledger;
    }

    /// <summary>Workers whose leases ran out.</summary>
    public IEnumerable<WorkerId> Overdue(TimeSpan now) =>
        InOrder(entry => entry.Deadline <= now).Select(pair => pair.Value.Holder).OfType<WorkerId>();

    /// <summary>Leases that ran out are handed out again.</summary>
    public WorkLedger Expire(TimeSpan now)
    {
        var ledger = this;
        foreach (var (id, entry) in InOrder(entry => entry.Holder is not null && entry.Deadline <= now))
            ledger = ledger.Requeue(id, $"worker {entry.Holder} did not return it in time");
        return ledger;
    }

    /// <summary>Takes out the units that were tried too often.</summary>
    public (WorkLedger Ledger, IReadOnlyList<(UnitId Unit, string Reason)> GivenUp) GiveUp()
    {
        var exhausted = InOrder(entry => entry.Holder is null && entry.Attempts >= MaxAttempts)
            .Select(pair => (pair.Key, pair.Value.LastFailure))
            .ToArray();
        return (Without(exhausted.Select(e => e.Key)), exhausted);
    }

    /// <summary>Takes out a unit that is no longer wanted; a completion that comes nevertheless is of an unknown unit.</summary>
    public WorkLedger Withdraw(UnitId id) => Without([id]);

    /// <summary>Takes out every open unit.</summary>
    public (WorkLedger Ledger, IReadOnlyList<UnitId> Units) Clear() =>
        (Without(Entries.Keys), [.. InOrder(_ => true).Select(pair => pair.Key)]);

    private WorkLedger Without(IEnumerable<UnitId> units)
    {
        var gone = units.ToHashSet();
        return this with { Entries = Entries.RemoveRange(gone), Queue = Queue.RemoveAll(gone.Contains) };
    }

    private WorkLedger Untried(UnitId id, Entry entry, string reason) =>
        (this with { Entries = Entries.SetItem(id, entry with { Attempts = entry.Attempts - 1 }) }).Requeue(id, reason);

    /// <summary>To the head of the queue: a unit that was started is the one that others wait for.</summary>
    private WorkLedger Requeue(UnitId id, string reason) =>
        this with
        {
            Entries = Entries.SetItem(id, Entries[id] with { Holder = null, LastFailure = reason }),
            Queue = Queue.Contains(id) ? Queue : Queue.Insert(0, id),
        };
}
