using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using Akka.Actor;
using DfPO.Actors.Timing;
using DfPO.Actors.Weights;
using static DfPO.Actors.Work.WorkProtocol;

namespace DfPO.Actors.Work;

/// <summary>
/// What a queue decides: pure transitions, no clock and no actor. What follows from a transition is in <see cref="Effects"/>, which
/// <see cref="WorkQueueActor"/> carries out. Times are those of <see cref="ActiveClock"/>.
/// </summary>
/// <param name="Options">How it deals with trouble.</param>
public sealed record WorkQueue(WorkQueueOptions Options)
{
    // Asking and giving may cross; what is under way for longer is lost.
    private static readonly TimeSpan s_reportEvery = TimeSpan.FromSeconds(5),
        s_delivery = TimeSpan.FromSeconds(10);

    /// <summary>Who has which unit.</summary>
    public WorkLedger Ledger { get; private init; } = new(Options.MaxAttempts);

    /// <summary>What is to be done, in this order.</summary>
    public ImmutableList<QueueEffect> Effects { get; private init; } = [];

    /// <summary>Workers that were told to go because of what they made, and why.</summary>
    public ImmutableDictionary<WorkerId, string> Benched { get; private init; } = ImmutableDictionary<WorkerId, string>.Empty;

    /// <summary>Audited units whose result nobody else was there to make again.</summary>
    public long Unaudited { get; private init; }

    /// <summary>Workers.</summary>
    public IEnumerable<QueuedWorker> Workers => Order.Select(id => Known[id]);

    // In the order of their coming, which gives the relays a tree that seldom changes.
    private ImmutableList<WorkerId> Order { get; init; } = [];

    private ImmutableDictionary<WorkerId, QueuedWorker> Known { get; init; } = ImmutableDictionary<WorkerId, QueuedWorker>.Empty;

    private TimeSpan LastProgress { get; init; }

    private TimeSpan LastReport { get; init; }

    /// <summary>How it stands.</summary>
    public QueueStatus Status() => new(Order.Count, Ledger.Pending, Ledger.Leased, Ledger.Duplicates, Ledger.Refused);

    /// <summary>The state after its effects were carried out.</summary>
    public WorkQueue Done() => this with { Effects = [] };

    /// <summary>Adds a unit; the same state where it is known already.</summary>
    public WorkQueue Submit(WorkUnit unit, TimeSpan now) =>
        Ledger.Add(unit) is var ledger && ReferenceEquals(ledger, Ledger) ? this : (this with { Ledger = ledger }).Dispatch(now);

    /// <summary>Takes out a unit that is no longer wanted.</summary>
    public WorkQueue Withdraw(UnitId unit) => this with { Ledger = Ledger.Withdraw(unit) };

    /// <summary>A worker wants to join.</summary>
    public WorkQueue Register(RegisterWorker message, IActorRef worker, TimeSpan now)
    {
        if (Refusal(message) is { } reason)
            return Refuse(message.Worker, worker, reason);
        // Nobody takes another's place by its name. Who is right asks again, and is taken when the other has gone.
        if (Known.TryGetValue(message.Worker, out var known) && !known.Ref.Equals(worker))
            return With(
                new QueueEffect.Log($"{Options.Role} worker {message.Worker} is known already; {worker.Path} does not take its place")
            );
        var queue = this;
        if (known is null)
        {
            var joined = new QueuedWorker(message.Worker, worker, message.BulkUrl) { MachineClass = message.MachineClass };
            queue = queue with
            {
                Order = queue.Order.Add(message.Worker),
                Known = queue.Known.Add(message.Worker, joined.Prepares(now)),
            };
            queue = queue.With(
                new QueueEffect.Watch(worker),
                new QueueEffect.Log(
                    $"{Options.Role} worker {message.Worker} on {message.Device} joined; {queue.Order.Count} in all",
                    IsWarning: false
                ),
                new QueueEffect.Count(queue.Order.Count),
                Happen(message.Worker, WorkEventKind.Joined, what => what with { Device = message.Device })
            );
        }
        return queue.With(new QueueEffect.Send(worker, new WorkerAccepted(Options.Setup)));
    }

    /// <summary>A worker asks for work.</summary>
    public WorkQueue Request(RequestWork message, IActorRef sender, TimeSpan now) =>
        // One that is not known will register again: a worker that hears nothing does.
        Of(message.Worker, sender) is { } worker
            ? (this with { Ledger = Ledger.Miss(worker.Id, now - s_delivery + Options.UnitTimeout) })
                .Put(worker.Asks(message.HeldDigest))
                .Dispatch(now)
            : this;

    /// <summary>A worker has made something of its unit.</summary>
    public WorkQueue Complete(CompleteUnit message, IActorRef sender, TimeSpan now)
    {
        if (Of(message.Worker, sender) is not { } worker || message.Run != Options.Setup.Run)
            return Unused(message, "it is of a worker or a run that this queue does not know");
        if (
            Ledger.Given(message.Unit, message.Worker) is { } unit
            && Options.Check.Problem(unit, message.Result) is { } problem
        )
            return (this with { Ledger = Ledger.Reject(message.Unit, message.Worker) })
                .Bench(message.Worker, $"its result of unit {message.Unit} {problem}", now)
                .Dispatch(now);
        var (ledger, completion) = Ledger.Complete(
            message.Unit,
            message.Worker,
            message.HeldDigest,
            message.Result,
            IsAudited(message.Unit) && Askers(now).Any(other => other.Worker != worker.Id && other.MachineClass == worker.MachineClass)
        );
        var queue = this with { Ledger = ledger };
        if (completion.Verdict is CompletionVerdict.Accepted or CompletionVerdict.Audited)
            queue = queue.With(
                Happen(
                    worker.Id,
                    WorkEventKind.Done,
                    what => what with { Unit = message.Unit.Value, Count = CountOf(message.Result) }
                )
            );
        return completion.Verdict switch
        {
            CompletionVerdict.Accepted => queue
                .Put(worker with { Health = WorkerHealth.Good })
                .Accept(message.Unit, completion, now)
                .Dispatch(now),
            CompletionVerdict.Audited => queue.Put(worker with { Health = WorkerHealth.Good }).Dispatch(now),
            CompletionVerdict.WrongWeights => queue
                .Put(worker with { Health = worker.Health.Failed(now) })
                .Unused(message, $"{completion.Verdict}")
                .GiveUp()
                .Dispatch(now),
            _ => queue.Unused(message, $"{completion.Verdict}").Dispatch(now),
        };
    }

    /// <summary>A worker could not do its unit, or take weights.</summary>
    public WorkQueue Fail(FailUnit message, IActorRef sender, TimeSpan now) =>
        Of(message.Worker, sender) is { } worker
            ? (this with { Ledger = Ledger.Fail(message.Unit, message.Worker, message.Reason) })
                .Put(worker with { Health = worker.Health.Failed(now) })
                .With(new QueueEffect.Log($"{Options.Role} worker {worker.Id} failed at unit {message.Unit}: {message.Reason}"))
                .With(
                    Happen(
                        worker.Id,
                        WorkEventKind.Failed,
                        what => what with { Unit = message.Unit.Value, Reason = message.Reason }
                    )
                )
                .GiveUp()
                .Dispatch(now)
            : this;

    /// <summary>A worker gives its unit back.</summary>
    public WorkQueue Return(ReturnUnit message, IActorRef sender, TimeSpan now) =>
        Of(message.Worker, sender) is null
            ? this
            : (this with { Ledger = Ledger.Return(message.Unit, message.Worker) }).Dispatch(now);

    /// <summary>A worker takes its leave.</summary>
    public WorkQueue Leave(LeaveQueue message, IActorRef sender, TimeSpan now) =>
        Of(message.Worker, sender) is null ? this : Lose(message.Worker, "left", now);

    /// <summary>A worker's actor is gone.</summary>
    public WorkQueue Terminated(IActorRef actor, TimeSpan now) =>
        Workers.Where(worker => worker.Ref.Equals(actor)).ToArray().Aggregate(this, (queue, lost) => queue.Lose(lost.Id, "was lost", now));

    /// <summary>A node out of sight may come back: its workers stay known, but what they have is handed out again at once.</summary>
    public WorkQueue Reachability(NodeReachability message, TimeSpan now)
    {
        var queue = this;
        foreach (
            var worker in Workers.Where(w => w.Ref.Path.Address.Equals(message.Node) && w.Reachable != message.Reachable).ToArray()
        )
        {
            queue = queue
                .Put(worker with { Reachable = message.Reachable })
                .With(
                    new QueueEffect.Log(
                        $"{Options.Role} worker {worker.Id} is {(message.Reachable ? "in sight again" : "out of sight: its unit is handed out again")}"
                    ),
                    Happen(worker.Id, message.Reachable ? WorkEventKind.InSight : WorkEventKind.OutOfSight, what => what)
                );
            if (!message.Reachable)
                queue = queue with { Ledger = queue.Ledger.Lose(worker.Id) };
        }
        return queue.Dispatch(now);
    }

    /// <summary>Time has passed.</summary>
    public WorkQueue Tick(TimeSpan now)
    {
        var queue = this;
        foreach (var late in Ledger.Overdue(now).ToArray())
            if (queue.Known.TryGetValue(late, out var worker))
                queue = queue
                    .Put(worker with { Health = worker.Health.Failed(now) })
                    .With(Happen(late, WorkEventKind.Failed, what => what with { Reason = "it took longer than rollout.unit-timeout" }));
        return (queue with { Ledger = Ledger.Expire(now) }).GiveUp().Settle(now).Dispatch(now).Patience(now);
    }

    /// <summary>The run has ended: tells the workers.</summary>
    /// <param name="failure">Empty when it ended well.</param>
    public WorkQueue End(string failure) =>
        With([.. Workers.Select(worker => new QueueEffect.Send(worker.Ref, new RunEnded(failure)))]);

    private string? Refusal(RegisterWorker message)
    {
        if (message.Version != ProductVersion.Text)
            return $"it is version {message.Version} and the run is version {ProductVersion.Text}; start both from the same build";
        if (Benched.TryGetValue(message.Worker, out var reason))
            return reason;
        return message.ModelDigest.Length > 0 && message.ModelDigest != Options.ModelDigest
            ? $"its model folder has fingerprint {message.ModelDigest} and the run's has {Options.ModelDigest}; leave '--model' out to fetch the run's"
            : null;
    }

    private WorkQueue Refuse(WorkerId id, IActorRef worker, string reason) =>
        With(
            new QueueEffect.Log($"{Options.Role} worker {id} was refused: {reason}"),
            new QueueEffect.Send(worker, new WorkerRefused(reason)),
            Happen(id, WorkEventKind.Rejected, what => what with { Reason = reason })
        );

    /// <summary>The worker of that name, if it is the one that speaks.</summary>
    private QueuedWorker? Of(WorkerId id, IActorRef sender) =>
        Known.TryGetValue(id, out var worker) && worker.Ref.Equals(sender) ? worker : null;

    private WorkQueue Put(QueuedWorker worker) => this with { Known = Known.SetItem(worker.Id, worker) };

    private WorkQueue With(params QueueEffect[] effects) => this with { Effects = Effects.AddRange(effects) };

    private WorkQueue Unused(CompleteUnit message, string why) =>
        With(
            new QueueEffect.Log($"Completion of unit {message.Unit} by {message.Worker} was not used: {why}"),
            Happen(message.Worker, WorkEventKind.Refused, what => what with { Unit = message.Unit.Value, Reason = why })
        );

    private QueueEffect.Happen Happen(WorkerId worker, WorkEventKind kind, Func<WorkEvent, WorkEvent> more) =>
        new(more(new(Options.Role, worker.Value, kind)));

    private static int CountOf(UnitResult result) =>
        result switch
        {
            RolloutResult rollout => rollout.Sequences.Sum(sequence => sequence.Tokens.Length),
            RewardResult reward => reward.Rewards.Count,
            _ => 0,
        };

    private WorkQueue Accept(UnitId unit, Completion completion, TimeSpan now) =>
        completion.Liars.Aggregate(
            With(new QueueEffect.Finish(unit, completion.Result!, completion.Maker)),
            (queue, liar) => queue.Bench(liar, $"two workers made the same bits of unit {unit}, and it made others", now)
        );

    /// <summary>What a worker made is not to be trusted: it gets no work any more.</summary>
    private WorkQueue Bench(WorkerId id, string reason, TimeSpan now)
    {
        var queue = this with { Benched = Benched.SetItem(id, reason) };
        return Known.TryGetValue(id, out var worker) ? queue.Lose(id, "is benched", now).Refuse(id, worker.Ref, reason) : queue;
    }

    /// <summary>By a secret, so that no worker knows which of its units is done again.</summary>
    private bool IsAudited(UnitId unit)
    {
        if (Options.Audit <= 0)
            return false;
        var hash = SHA256.HashData([.. BitConverter.GetBytes(Options.AuditSecret), .. Encoding.UTF8.GetBytes(unit.Value)]);
        return (BitConverter.ToUInt64(hash) >> 11) * (1.0 / (1UL << 53)) < Options.Audit;
    }

    private static Asker AskerOf(QueuedWorker worker) => new(worker.Id, worker.HeldDigest, worker.MachineClass);

    private Asker[] Askers(TimeSpan now) => [.. Workers.Where(w => w.Reachable && w.Health.Failures < Options.MaxAttempts).Select(AskerOf)];

    private WorkQueue Settle(TimeSpan now)
    {
        if (Options.Audit <= 0)
            return this;
        var (ledger, settled) = Ledger.Settle(Askers(now));
        return settled.Aggregate(
            this with
            {
                Ledger = ledger,
                Unaudited = Unaudited + settled.Count,
            },
            (queue, unit) => queue.Accept(unit.Unit, unit.Completion, now)
        );
    }

    private WorkQueue Patience(TimeSpan now)
    {
        // A unit that two workers made differently waits for a third: others' idling is no hope for it.
        bool CanHelp(QueuedWorker worker) => worker.IsHopeful(now, Options.MaxAttempts) && Ledger.Next(AskerOf(worker)) is not null;
        if (Ledger.Open == 0 || Ledger.Leased > 0 || Workers.Any(CanHelp))
            return this with { LastProgress = now };
        var waited = now - LastProgress;
        if (waited > Options.WorkerPatience)
        {
            var (ledger, units) = Ledger.Clear();
            return (this with { Ledger = ledger }).With(
                [
                    .. units.Select(unit => new QueueEffect.Abandon(
                        unit,
                        $"no {Options.Role} worker for {Options.WorkerPatience.TotalSeconds:F0} s ({units.Count} units wait, {Order.Count} workers are known but do not ask for work, fail again and again, or have made what waits already{Distrusted()})"
                    )),
                ]
            );
        }
        return waited >= s_reportEvery && now - LastReport >= s_reportEvery
            ? (this with { LastReport = now }).With(new QueueEffect.Await(Ledger.Open, waited))
            : this;
    }

    private string Distrusted() =>
        Benched.IsEmpty ? "" : $"; benched: {string.Join("; ", Benched.Select(worker => $"{worker.Key}, because {worker.Value}"))}";

    /// <summary>Hands out what waits to whom is idle; a worker whose weights fit nothing that waits is told to take others first.</summary>
    private WorkQueue Dispatch(TimeSpan now)
    {
        var queue = this;
        foreach (var worker in Workers.Where(w => w.IsReady(now)))
        {
            if (queue.Ledger.Pending == 0)
                return queue;
            var asker = AskerOf(worker);
            if (queue.Ledger.Next(asker) is not { } next)
                continue;
            if (next.RequiredWeights is { } weights && weights.Needed != worker.HeldDigest)
            {
                queue = queue
                    .Put(worker.Prepares(now))
                    .With(
                        new QueueEffect.Hold(worker.Ref, weights, next.Id, Relays(worker)),
                        Happen(worker.Id, WorkEventKind.Fetches, what => what with { Version = weights.Version })
                    );
                continue;
            }
            var (ledger, unit) = queue.Ledger.Lease(asker, now + Options.UnitTimeout);
            queue = (queue with { Ledger = ledger })
                .Put(worker.Works())
                .With(
                    new QueueEffect.Assign(worker.Ref, unit),
                    Happen(
                        worker.Id,
                        WorkEventKind.Assigned,
                        what => what with { Unit = unit.Id.Value, Version = unit.RequiredWeights?.Version }
                    )
                );
        }
        return queue;
    }

    /// <summary>Processes, not engines, are the receivers; one that is out of sight is not waited for.</summary>
    private IReadOnlyList<string> Relays(QueuedWorker worker)
    {
        string[] receivers = [.. Workers.Where(w => w.Reachable && w.BulkUrl.Length > 0).Select(w => w.BulkUrl).Distinct()];
        var place = Array.IndexOf(receivers, worker.BulkUrl);
        return place < 0 ? [] : RelayTree.Relays(receivers, Options.RelayFanOut)[place];
    }

    private WorkQueue Lose(WorkerId id, string how, TimeSpan now)
    {
        if (!Known.TryGetValue(id, out var worker))
            return this;
        var queue = this with { Order = Order.Remove(id), Known = Known.Remove(id), Ledger = Ledger.Lose(id) };
        return queue
            .With(
                new QueueEffect.Unwatch(worker.Ref),
                new QueueEffect.Log($"{Options.Role} worker {id} {how}; {queue.Order.Count} left", IsWarning: false),
                new QueueEffect.Count(queue.Order.Count),
                Happen(id, WorkEventKind.Left, what => what with { Reason = how })
            )
            .Dispatch(now);
    }

    private WorkQueue GiveUp()
    {
        var (ledger, givenUp) = Ledger.GiveUp();
        return (this with { Ledger = ledger }).With(
            [
                .. givenUp.Select(unit => new QueueEffect.Abandon(
                    unit.Unit,
                    $"{Options.MaxAttempts} attempts failed, the last because {unit.Reason}"
                )),
            ]
        );
    }
}
