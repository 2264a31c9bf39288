using System.Diagnostics;
using Akka.Actor;
using Akka.Event;
using DfPO.Actors.Security;
using DfPO.Actors.Timing;
using DfPO.Actors.Tracing;
using DfPO.Models;
using DfPO.Models.Diagnostics;
using static DfPO.Actors.Work.WorkProtocol;

namespace DfPO.Actors.Work;

/// <summary>
/// A queue that workers pull from. What it decides is a <see cref="WorkQueue"/>; the actor carries that out, and keeps who submitted a unit
/// and the unit's span. It owns every deadline of a unit, so that a submitter may wait without one of its own.
/// </summary>
public sealed class WorkQueueActor : ReceiveActor, IWithTimers
{
    private sealed record Tick : INoSerializationVerificationNeeded
    {
        public static Tick Instance { get; } = new();
    }

    private sealed record Ticket(IActorRef Submitter, Activity? Span, ActivityContext Parent);

    private static readonly TimeSpan s_tick = TimeSpan.FromSeconds(1),
        s_step = TimeSpan.FromSeconds(3);
    private readonly WorkQueueOptions _options;
    private readonly ActiveClock _clock;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly Dictionary<UnitId, Ticket> _tickets = [];
    private WorkQueue _queue;

    /// <summary>Makes a queue.</summary>
    public WorkQueueActor(WorkQueueOptions options, TimeProvider time)
    {
        (_options, _clock, _queue) = (options, new ActiveClock(time, s_step), new WorkQueue(options));
        Receive<Submit>(OnSubmit);
        Receive<Withdraw>(OnWithdraw);
        Receive<RegisterWorker>(OnRegister);
        Receive<RequestWork>(message => Do(_queue.Request(message, Sender, _clock.Now)));
        Receive<CompleteUnit>(message => Do(_queue.Complete(message, Sender, _clock.Now)));
        Receive<FailUnit>(message => Do(_queue.Fail(message, Sender, _clock.Now)));
        Receive<ReturnUnit>(message => Do(_queue.Return(message, Sender, _clock.Now)));
        Receive<LeaveQueue>(message => Do(_queue.Leave(message, Sender, _clock.Now)));
        Receive<Terminated>(message => Do(_queue.Terminated(message.ActorRef, _clock.Now)));
        Receive<NodeReachability>(message => Do(_queue.Reachability(message, _clock.Now)));
        Receive<EndRun>(message => Do(_queue.End(message.Failure)));
        Receive<Tick>(_ => Do(_queue.Tick(_clock.Now)));
        Receive<GetStatus>(_ => Sender.Tell(_queue.Status()));
    }

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    /// <summary>Recipe of the actor.</summary>
    public static Props Props(WorkQueueOptions options, TimeProvider? time = null) =>
        Akka.Actor.Props.Create(() => new WorkQueueActor(options, time ?? TimeProvider.System));

    /// <inheritdoc/>
    protected override void PreStart() => Timers.StartPeriodicTimer("tick", Tick.Instance, s_tick);

    /// <inheritdoc/>
    protected override void PostStop()
    {
        foreach (var ticket in _tickets.Values)
            ticket.Span?.Dispose();
    }

    private void OnRegister(RegisterWorker message)
    {
        if (Peers.Of(Context.System).May(Sender.Path.Address, _options.Role))
            Do(_queue.Register(IsOwn(message.BulkUrl) ? message : message with { BulkUrl = "" }, Sender, _clock.Now));
        else
            Sender.Tell(
                new WorkerRefused(
                    $"its certificate does not say that it may be a {_options.Role} worker; 'dfpo certs --role {_options.Role}' makes one that does"
                )
            );
    }

    /// <summary>Whether a worker relays weights at its own address: others are not sent elsewhere on its word.</summary>
    private bool IsOwn(string bulkUrl) =>
        Sender.Path.Address.Host is not { } host
        || (Uri.TryCreate(bulkUrl, UriKind.Absolute, out var url) && url.Host.Trim('[', ']') == host.Trim('[', ']'));

    private void OnSubmit(Submit message)
    {
        var queue = _queue.Submit(message.Unit, _clock.Now);
        if (ReferenceEquals(queue, _queue))
        {
            Sender.Tell(new UnitAbandoned(message.Unit.Id, "a unit of that name was submitted before"));
            return;
        }
        _tickets[message.Unit.Id] = new Ticket(Sender, StartSpan(message), message.Parent);
        Do(queue);
    }

    private void OnWithdraw(Withdraw message)
    {
        Do(_queue.Withdraw(message.Unit));
        if (_tickets.Remove(message.Unit, out var ticket))
            ticket.Span?.SetStatus(ActivityStatusCode.Error, "withdrawn").Dispose();
    }

    private void Do(WorkQueue queue)
    {
        _queue = queue.Done();
        foreach (var effect in queue.Effects)
            Do(effect);
    }

    private void Do(QueueEffect effect)
    {
        switch (effect)
        {
            case QueueEffect.Send(var to, var message):
                to.Tell(message);
                break;
            case QueueEffect.Assign(var to, var unit):
                to.Tell(new AssignUnit(unit, TraceContext.Format(_tickets[unit.Id].Span?.Context ?? default), _options.Setup.Run));
                break;
            case QueueEffect.Hold(var to, var weights, var unit, var relays):
                to.Tell(new HoldWeights(weights, TraceContext.Format(_tickets[unit].Parent)) { Relays = relays });
                break;
            case QueueEffect.Finish(var unit, var result, var maker):
                Finish(unit, result, maker);
                break;
            case QueueEffect.Abandon(var unit, var reason):
                Abandon(unit, reason);
                break;
            case QueueEffect.Watch(var worker):
                Context.Watch(worker);
                break;
            case QueueEffect.Unwatch(var worker):
                Context.Unwatch(worker);
                break;
            case QueueEffect.Count(var workers):
                _options.WorkersChanged(workers);
                break;
            case QueueEffect.Await(var units, var waited):
                _options.WorkersAwaited(units, waited, _options.WorkerPatience);
                break;
            case QueueEffect.Happen(var what):
                _options.Happened(what);
                break;
            case QueueEffect.Log(var text, var isWarning):
                _log.Log(isWarning ? LogLevel.WarningLevel : LogLevel.InfoLevel, null, "{0}", PlainText.Of(text));
                break;
        }
    }

    private void Finish(UnitId unit, UnitResult result, WorkerId maker)
    {
        if (!_tickets.Remove(unit, out var ticket))
            return;
        ticket.Span?.SetTag(DfpoTelemetry.Tags.WorkerId, maker.Value);
        var context = ticket.Span?.Context ?? ticket.Parent;
        ticket.Span?.Dispose();
        ticket.Submitter.Tell(new UnitFinished(unit, result, context));
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
