using System.Diagnostics;
using Akka.Actor;
using Akka.Event;
using DfPO.Actors.Security;
using DfPO.Actors.Tracing;
using DfPO.Actors.Weights;
using DfPO.Models.Diagnostics;
using static DfPO.Actors.Work.WorkProtocol;

namespace DfPO.Actors.Work;

/// <summary>
/// A queue that workers pull from. Its state is a <see cref="WorkLedger"/>; it owns every deadline of a unit, so that a submitter may wait
/// without one of its own.
/// </summary>
public sealed class WorkQueueActor : ReceiveActor, IWithTimers
{
    private sealed record Tick : INoSerializationVerificationNeeded
    {
        public static Tick Instance { get; } = new();
    }

    private sealed record Compared(RegisterWorker Registration, IActorRef Worker, string ModelDigest, string Failure)
        : INoSerializationVerificationNeeded;

    private sealed record Ticket(IActorRef Submitter, Activity? Span, ActivityContext Parent);

    private static readonly TimeSpan s_reportEvery = TimeSpan.FromSeconds(5);
    private readonly WorkQueueOptions _options;
    private readonly TimeProvider _time;
    private readonly ILoggingAdapter _log = Context.GetLogger();

    // In the order of their coming, which gives the relays a tree that seldom changes.
    private readonly OrderedDictionary<WorkerId, QueuedWorker> _workers = [];
    private readonly Dictionary<UnitId, Ticket> _tickets = [];
    private WorkLedger _ledger;
    private DateTimeOffset _lastProgress;
    private DateTimeOffset _lastReport;

    /// <summary>Makes a queue.</summary>
    public WorkQueueActor(WorkQueueOptions options, TimeProvider time)
    {
        (_options, _time, _ledger, _lastProgress) = (options, time, new WorkLedger(options.MaxAttempts), time.GetUtcNow());
        Receive<Submit>(OnSubmit);
        Receive<Withdraw>(OnWithdraw);
        Receive<RegisterWorker>(message => OnRegister(message, Sender));
        Receive<Compared>(OnCompared);
        Receive<RequestWork>(OnRequest);
        Receive<CompleteUnit>(OnComplete);
        Receive<FailUnit>(OnFail);
        Receive<ReturnUnit>(message =>
        {
            if (Speaker(message.Worker) is null)
                return;
            _ledger = _ledger.Return(message.Unit, message.Worker);
            Dispatch();
        });
        Receive<LeaveQueue>(message =>
        {
            if (Speaker(message.Worker) is not null)
                Lose(message.Worker, "left");
        });
        Receive<Terminated>(message =>
        {
            foreach (var worker in _workers.Values.Where(w => w.Ref.Equals(message.ActorRef)).ToArray())
                Lose(worker.Id, "was lost");
        });
        Receive<NodeReachability>(OnReachability);
        Receive<EndRun>(message =>
        {
            foreach (var worker in _workers.Values)
                worker.Ref.Tell(new RunEnded(message.Failure));
        });
        Receive<Tick>(_ => OnTick());
        Receive<GetStatus>(_ =>
            Sender.Tell(new QueueStatus(_workers.Count, _ledger.Pending, _ledger.Leased, _ledger.Duplicates, _ledger.Refused))
        );
    }

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    /// <summary>Recipe of the actor.</summary>
    public static Props Props(WorkQueueOptions options, TimeProvider? time = null) =>
        Akka.Actor.Props.Create(() => new WorkQueueActor(options, time ?? TimeProvider.System));

    /// <inheritdoc/>
    protected override void PreStart() => Timers.StartPeriodicTimer("tick", Tick.Instance, TimeSpan.FromSeconds(1));

    /// <inheritdoc/>
    protected override void PostStop()
    {
        foreach (var ticket in _tickets.Values)
            ticket.Span?.Dispose();
    }

    private void OnSubmit(Submit message)
    {
        var ledger = _ledger.Add(message.Unit);
        if (ReferenceEquals(ledger, _ledger))
        {
            Sender.Tell(new UnitAbandoned(message.Unit.Id, "a unit of that name was submitted before"));
            return;
        }
        _ledger = ledger;
        _tickets[message.Unit.Id] = new Ticket(Sender, StartSpan(message), message.Parent);
        Dispatch();
    }

    private void OnWithdraw(Withdraw message)
    {
        _ledger = _ledger.Withdraw(message.Unit);
        if (_tickets.Remove(message.Unit, out var ticket))
            ticket.Span?.SetStatus(ActivityStatusCode.Error, "withdrawn").Dispose();
    }

    private void OnRegister(RegisterWorker message, IActorRef worker)
    {
        if (!Peers.Of(Context.System).May(worker.Path.Address, _options.Role))
            Refuse(
                message,
                worker,
                $"its certificate does not say that it may be a {_options.Role} worker; 'dfpo certs --role {_options.Role}' makes one that does"
            );
        else if (message.Version != ProductVersion.Text)
            Refuse(
                message,
                worker,
                $"it is version {message.Version} and the run is version {ProductVersion.Text}; start both from the same build"
            );
        else if (message.ModelDigest.Length == 0)
            Accept(message, worker);
        else
            _options
                .ModelDigest()
                .PipeTo(
                    Self,
                    success: digest => new Compared(message, worker, digest, ""),
                    failure: e => new Compared(message, worker, "", e.Message)
                );
    }

    private void OnCompared(Compared message)
    {
        if (message.Registration.ModelDigest == message.ModelDigest)
            Accept(message.Registration, message.Worker);
        else
            Refuse(
                message.Registration,
                message.Worker,
                message.Failure.Length > 0
                    ? $"the run's model folder cannot be read ({message.Failure})"
                    : $"its model folder has fingerprint {message.Registration.ModelDigest} and the run's has {message.ModelDigest}; leave '--model' out to fetch the run's"
            );
    }

    private void Refuse(RegisterWorker message, IActorRef worker, string reason)
    {
        _log.Warning("{Role} worker {Worker} was refused: {Reason}", _options.Role, message.Worker, reason);
        worker.Tell(new WorkerRefused(reason));
    }

    private void Accept(RegisterWorker message, IActorRef worker)
    {
        if (_workers.TryGetValue(message.Worker, out var known) && !known.Ref.Equals(worker))
        {
            // Nobody takes another's place by its name. Who is right asks again, and is taken when the other has gone.
            _log.Warning("{Role} worker {Worker} is known already; {Other} does not take its place", _options.Role, message.Worker, worker.Path);
            return;
        }
        if (!_workers.ContainsKey(message.Worker))
        {
            _workers[message.Worker] = new QueuedWorker(message.Worker, worker, message.BulkUrl);
            _workers[message.Worker].Prepares(_time.GetUtcNow());
            Context.Watch(worker);
            _log.Info(
                "{Role} worker {Worker} on {Device} joined; {Count} in all",
                _options.Role,
                message.Worker,
                message.Device,
                _workers.Count
            );
            _options.WorkersChanged(_workers.Count);
        }
        worker.Tell(new WorkerAccepted(_options.Setup));
    }

    /// <summary>The worker that a message names, if it is the one that sent it; null for one in another's name, or of a stranger.</summary>
    private QueuedWorker? Speaker(WorkerId named)
    {
        if (!_workers.TryGetValue(named, out var worker))
            return null;
        if (worker.Ref.Equals(Sender))
            return worker;
        _log.Warning("{Role} worker {Worker} did not say what {Other} said in its name", _options.Role, named, Sender.Path);
        return null;
    }

    private void OnRequest(RequestWork message)
    {
        if (Speaker(message.Worker) is not { } worker)
            return; // It will register again: a worker that hears nothing does.
        worker.Asks(message.HeldDigest);
        Dispatch();
    }

    private void OnComplete(CompleteUnit message)
    {
        if (Speaker(message.Worker) is not { } worker)
            return;
        (_ledger, var verdict) = _ledger.Complete(message.Unit, message.Worker, message.HeldDigest);
        if (verdict != CompletionVerdict.NotAssigned)
            worker.Health = WorkerHealth.Good;
        if (verdict == CompletionVerdict.Accepted && _tickets.Remove(message.Unit, out var ticket))
        {
            ticket.Span?.SetTag(DfpoTelemetry.Tags.WorkerId, message.Worker.Value);
            var context = ticket.Span?.Context ?? ticket.Parent;
            ticket.Span?.Dispose();
            ticket.Submitter.Tell(new UnitFinished(message.Unit, message.Result, context));
        }
        else if (verdict != CompletionVerdict.Accepted)
            _log.Warning("Completion of unit {Unit} by {Worker} was not used: {Verdict}", message.Unit, message.Worker, verdict);
        Dispatch();
    }

    private void OnFail(FailUnit message)
    {
        if (Speaker(message.Worker) is not { } worker)
            return;
        _log.Warning("{Role} worker {Worker} failed at unit {Unit}: {Reason}", _options.Role, message.Worker, message.Unit, message.Reason);
        worker.Health = worker.Health.Failed(_time.GetUtcNow());
        _ledger = _ledger.Fail(message.Unit, message.Worker, message.Reason);
        GiveUp();
        Dispatch();
    }

    /// <summary>A node out of sight may come back: its workers stay known, but what they have is handed out again at once.</summary>
    private void OnReachability(NodeReachability message)
    {
        foreach (
            var worker in _workers.Values.Where(w => w.Ref.Path.Address.Equals(message.Node) && w.Reachable != message.Reachable).ToArray()
        )
        {
            worker.Reachable = message.Reachable;
            _log.Warning(
                "{Role} worker {Worker} is {State}",
                _options.Role,
                worker.Id,
                message.Reachable ? "in sight again" : "out of sight: its unit is handed out again"
            );
            if (!message.Reachable)
                _ledger = _ledger.Lose(worker.Id);
        }
        Dispatch();
    }

    private void OnTick()
    {
        var now = _time.GetUtcNow();
        foreach (var late in _ledger.Overdue(now))
            if (_workers.TryGetValue(late, out var worker))
                worker.Health = worker.Health.Failed(now);
        _ledger = _ledger.Expire(now);
        GiveUp();
        Dispatch();
        if (_tickets.Count == 0 || _ledger.Leased > 0 || _workers.Values.Any(worker => worker.IsHopeful(now, _options.MaxAttempts)))
            _lastProgress = now;
        var waited = now - _lastProgress;
        if (waited > _options.WorkerPatience)
        {
            (_ledger, var units) = _ledger.Clear();
            foreach (var unit in units)
                Abandon(
                    unit,
                    $"no {_options.Role} worker for {_options.WorkerPatience.TotalSeconds:F0} s ({units.Count} units wait, {_workers.Count} workers are known but do not ask for work, or fail again and again)"
                );
        }
        else if (waited >= s_reportEvery && now - _lastReport >= s_reportEvery)
        {
            _lastReport = now;
            _options.WorkersAwaited(_tickets.Count, waited, _options.WorkerPatience);
        }
    }

    /// <summary>Hands out what waits to whom is idle; a worker whose weights fit nothing that waits is told to take others first.</summary>
    private void Dispatch()
    {
        var now = _time.GetUtcNow();
        foreach (var worker in _workers.Values.Where(w => w.IsReady(now)))
        {
            if (_ledger.Next(worker.HeldDigest) is not { } next)
                return;
            if (next.RequiredWeights is { } weights && weights.Needed != worker.HeldDigest)
            {
                worker.Prepares(now);
                worker.Ref.Tell(new HoldWeights(weights, TraceContext.Format(_tickets[next.Id].Parent)) { Relays = Relays(worker) });
                continue;
            }
            worker.Works();
            (_ledger, var unit) = _ledger.Lease(worker.Id, worker.HeldDigest, now + _options.UnitTimeout);
            worker.Ref.Tell(new AssignUnit(unit, TraceContext.Format(_tickets[unit.Id].Span?.Context ?? default)));
        }
    }

    /// <summary>Processes, not engines, are the receivers; one that is out of sight is not waited for.</summary>
    private IReadOnlyList<string> Relays(QueuedWorker worker)
    {
        string[] receivers = [.. _workers.Values.Where(w => w.Reachable && w.BulkUrl.Length > 0).Select(w => w.BulkUrl).Distinct()];
        var place = Array.IndexOf(receivers, worker.BulkUrl);
        return place < 0 ? [] : RelayTree.Relays(receivers, _options.RelayFanOut)[place];
    }

    private void Lose(WorkerId id, string how)
    {
        if (!_workers.Remove(id, out var worker))
            return;
        Context.Unwatch(worker.Ref);
        _log.Info("{Role} worker {Worker} {How}; {Count} left", _options.Role, id, how, _workers.Count);
        _ledger = _ledger.Lose(id);
        _options.WorkersChanged(_workers.Count);
        Dispatch();
    }

    private void GiveUp()
    {
        (_ledger, var givenUp) = _ledger.GiveUp();
        foreach (var (unit, reason) in givenUp)
            Abandon(unit, $"{_options.MaxAttempts} attempts failed, the last because {reason}");
    }

    private void Abandon(UnitId unit, string reason)
    {
        if (!_tickets.Remove(unit, out var ticket))
            return;
        ticket.Span?.SetStatus(ActivityStatusCode.Error, reason).Dispose();
        ticket.Submitter.Tell(new UnitAbandoned(unit, reason));
    }

    /// <summary>The unit's span lives across messages: it must not stay this thread's current one.</summary>
    private static Activity? StartSpan(Submit message)
    {
        Activity.Current = null;
        var span = DfpoTelemetry.Source.StartActivity(DfpoTelemetry.Spans.Unit, ActivityKind.Producer, message.Parent);
        span?.SetTag(DfpoTelemetry.Tags.UnitId, message.Unit.Id.Value);
        Activity.Current = null;
        return span;
    }
}
