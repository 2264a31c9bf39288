using System.Diagnostics;
using Akka.Actor;
using Akka.Cluster;
using Akka.Event;
using DfPO.Actors.Security;
using DfPO.Actors.Threading;
using DfPO.Actors.Tracing;
using DfPO.Actors.Weights;
using DfPO.Models;
using DfPO.Models.Diagnostics;
using static DfPO.Actors.Work.WorkProtocol;

namespace DfPO.Actors.Work;

/// <summary>
/// Pulls units from the queue on the learner's node and does them on its torch thread. Finds the learner through cluster membership,
/// registers until it is answered, and completes <c>ended</c> when the run ends (null) or it gives up (the reason).
/// </summary>
public sealed class WorkerActor : ReceiveActor, IWithTimers
{
    private sealed record Beat : INoSerializationVerificationNeeded
    {
        public static Beat Instance { get; } = new();
    }

    /// <summary>To a worker, from its own process: give back what you have, and go.</summary>
    public sealed record Leave : INoSerializationVerificationNeeded;

    private sealed record Ready(IUnitExecutor Executor) : INoSerializationVerificationNeeded;

    private sealed record Settled(IWireMessage? Report, Exception? Failure) : INoSerializationVerificationNeeded;

    private static readonly TimeSpan s_beat = TimeSpan.FromSeconds(1),
        s_sayEvery = TimeSpan.FromSeconds(5);
    private readonly WorkerActorOptions _options;
    private readonly TaskCompletionSource<Exception?> _ended;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly Cluster _cluster = Cluster.Get(Context.System);
    private readonly TorchThread _thread;
    private readonly WeightsClient _client;
    private readonly CancellationTokenSource _stopping = new();
    private readonly HashSet<Address> _asked = [];
    private IActorRef _queue = ActorRefs.Nobody;
    private IUnitExecutor? _executor;
    private bool _busy;
    private DateTimeOffset _alone = DateTimeOffset.UtcNow;
    private DateTimeOffset _said;

    /// <summary>Makes a worker.</summary>
    public WorkerActor(WorkerActorOptions options, TaskCompletionSource<Exception?> ended)
    {
        (_options, _ended) = (options, ended);
        _thread = new TorchThread($"torch {options.Id}", options.TorchThreads);
        _client = new WeightsClient(
            Path.Combine(Path.GetTempPath(), $"dfpo-{Environment.ProcessId}-{options.Id.Value.Replace('/', '-')}"),
            new WeightsClientOptions { Identity = options.Identity }
        );
        options.Relay?.Sources.Add(_client);
        Receive<ClusterEvent.MemberUp>(_ => Register());
        Receive<WorkerAccepted>(OnAccepted);
        Receive<Ready>(message =>
        {
            (_executor, _busy) = (message.Executor, false);
            _options.Say($"joined the run: worker {_options.Id} on {_options.Device}");
            Pull();
        });
        Receive<HoldWeights>(OnHoldWeights, _ => IsFromQueue());
        Receive<AssignUnit>(OnAssign, _ => IsFromQueue());
        Receive<Settled>(OnSettled);
        Receive<Beat>(_ => OnBeat());
        Receive<Terminated>(_ => OnQueueLost());
        Receive<WorkerRefused>(
            message => End(new DfpoException("worker/refused", $"The run refused this worker: {message.Reason}.")),
            _ => _queue.IsNobody() && IsFromLearner()
        );
        Receive<RunEnded>(
            message =>
                End(message.Failure.Length == 0 ? null : new DfpoException("worker/run-failed", $"The run failed: {message.Failure}")),
            _ => IsFromQueue()
        );
        Receive<Leave>(_ => End(null));
    }

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    /// <summary>Recipe of the actor.</summary>
    public static Props Props(WorkerActorOptions options, TaskCompletionSource<Exception?> ended) =>
        Akka.Actor.Props.Create(() => new WorkerActor(options, ended));

    /// <inheritdoc/>
    protected override void PreStart()
    {
        _cluster.Subscribe(Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents, typeof(ClusterEvent.MemberUp));
        Timers.StartPeriodicTimer("beat", Beat.Instance, s_beat);
    }

    /// <inheritdoc/>
    protected override void PostStop()
    {
        _cluster.Unsubscribe(Self);
        _queue.Tell(new LeaveQueue(_options.Id));
        _stopping.Cancel();
        if (_executor is { } executor)
            _thread.Run(() =>
            {
                executor.Dispose();
                return true;
            });
        _options.Relay?.Sources.Remove(_client);
        _thread.Dispose();
        _client.Dispose();
        _ended.TrySetResult(new OperationCanceledException($"worker {_options.Id} was stopped before the run ended"));
    }

    private void OnBeat()
    {
        if (!_queue.IsNobody())
        {
            if (!_busy && _executor is not null)
                Pull();
            return;
        }
        Register();
        var now = DateTimeOffset.UtcNow;
        var waited = now - _alone;
        if (waited > _options.Patience)
            End(
                new DfpoException(
                    "worker/no-learner",
                    $"Worker {_options.Id} found no learner for {_options.Patience.TotalSeconds:F0} s ({_cluster.State.Members.Count} members seen): is a run listening there? 'dfpo run' shows its address."
                )
            );
        else if (waited >= s_sayEvery && now - _said >= s_sayEvery)
        {
            _said = now;
            _options.Say($"waiting for a learner: {waited.TotalSeconds:F0} of at most {_options.Patience.TotalSeconds:F0} s");
        }
    }

    /// <summary>The learner may come back, or another one take its place: the engine stays ready.</summary>
    private void OnQueueLost()
    {
        (_queue, _alone) = (ActorRefs.Nobody, DateTimeOffset.UtcNow);
        _options.Say("lost the learner");
    }

    /// <summary>Asks every candidate: only the one that is the learner has a queue.</summary>
    private void Register()
    {
        if (!_queue.IsNobody())
            return;
        foreach (var learner in _cluster.State.Members.Where(m => m.Status == MemberStatus.Up && m.HasRole(ClusterRoles.Learner)))
        {
            _asked.Add(learner.Address);
            Context
                .ActorSelection(new RootActorPath(learner.Address) + _options.QueuePath)
                .Tell(
                    new RegisterWorker(_options.Id, _options.Device, ProductVersion.Text, _options.ModelDigest, _options.Relay?.Url ?? "")
                );
        }
    }

    private bool IsFromQueue() => !_queue.IsNobody() && Sender.Equals(_queue);

    /// <summary>
    /// Whether the sender is the queue of a node that this worker asked, and that may be a learner: whoever joins the cluster can call
    /// itself one.
    /// </summary>
    private bool IsFromLearner()
    {
        var node = Sender.Path.Address;
        if (Sender.Path.ToStringWithoutAddress() != _options.QueuePath || !_asked.Contains(node.HasLocalScope ? _cluster.SelfAddress : node))
            return false;
        if (Peers.Of(Context.System).May(node, ClusterRoles.Learner))
            return true;
        _log.Warning("{0} calls itself a learner, but its certificate does not; it is not obeyed", node);
        return false;
    }

    private void OnAccepted(WorkerAccepted message)
    {
        if (!_queue.IsNobody() || !IsFromLearner())
            return;
        _queue = Sender;
        Context.Watch(_queue);
        if (_executor is not null || _busy)
            return;
        _busy = true;
        var self = Self;
        _thread
            .Run(() => _options.CreateExecutor(message.Setup, _client))
            .PipeTo(self, success: executor => new Ready(executor), failure: e => new Settled(null, e));
    }

    private void OnHoldWeights(HoldWeights message)
    {
        if (_busy || _executor is not { } executor)
            return;
        _busy = true;
        Take(executor, message)
            .PipeTo(
                Self,
                success: () => new Settled(null, null),
                failure: e => new Settled(new FailUnit(_options.Id, new UnitId(""), e.Message), e)
            );
    }

    private async Task Take(IUnitExecutor executor, HoldWeights message)
    {
        // The mask first: what the client holds in the end is the policy, which others ask it for, and which the next version's delta
        // starts from.
        if (message.Weights.Mask is { } mask && mask.Digest != executor.HeldMask)
            await Take(mask, mask.Digest == message.Weights.Digest ? message.Relays : [], message.TraceParent, executor.ApplyMask)
                .ConfigureAwait(false);
        await Take(message.Weights, message.Relays, message.TraceParent, executor.Apply).ConfigureAwait(false);
    }

    private async Task Take(
        WeightsRef weights,
        IReadOnlyList<string> relays,
        string traceParent,
        Action<WeightsRef, string, ActivityContext> apply
    )
    {
        var parent = TraceContext.Parse(traceParent);
        var file = await _client.Fetch(weights, relays, parent, _stopping.Token).ConfigureAwait(false);
        await _thread
            .Run(() =>
            {
                apply(weights, file, parent);
                return true;
            })
            .ConfigureAwait(false);
    }

    private void OnAssign(AssignUnit message)
    {
        if (_busy || _executor is not { } executor)
        {
            Sender.Tell(new ReturnUnit(_options.Id, message.Unit.Id));
            return;
        }
        _busy = true;
        var id = _options.Id;
        _thread
            .Run(() =>
            {
                using var activity = DfpoTelemetry.Source.StartActivity(
                    executor.SpanName,
                    ActivityKind.Consumer,
                    TraceContext.Parse(message.TraceParent)
                );
                activity?.SetTag(DfpoTelemetry.Tags.UnitId, message.Unit.Id.Value).SetTag(DfpoTelemetry.Tags.WorkerId, id.Value);
                var result = executor.Execute(message.Unit, _stopping.Token);
                return new CompleteUnit(id, message.Unit.Id, executor.HeldDigest, result);
            })
            .PipeTo(
                Self,
                success: report => new Settled(report, null),
                failure: e => new Settled(new FailUnit(id, message.Unit.Id, e.Message), e)
            );
    }

    private void OnSettled(Settled message)
    {
        _busy = false;
        if (message.Failure is { } failure)
        {
            if (_executor is null)
            {
                End(failure); // Without an engine there is nothing to try again with; whoever started the worker tells why.
                return;
            }
            // A failure of ours says what and where by itself, and the queue tells it; anything else needs its place.
            if (failure is not (DfpoException or OperationCanceledException))
                _log.Warning(failure, "Worker {Worker}: {Reason}", _options.Id, failure.Message);
        }
        if (message.Report is { } report)
            _queue.Tell(report);
        Pull();
    }

    private void Pull() => _queue.Tell(new RequestWork(_options.Id, _executor!.HeldDigest));

    private void End(Exception? reason)
    {
        _ended.TrySetResult(reason);
        Context.Stop(Self);
    }
}
