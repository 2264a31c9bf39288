using System.Diagnostics;
using Akka.Actor;
using Akka.Cluster;
using Akka.Event;
using DfPO.Actors.Security;
using DfPO.Actors.Threading;
using DfPO.Actors.Timing;
using DfPO.Actors.Tracing;
using DfPO.Actors.Weights;
using DfPO.Models;
using DfPO.Models.Diagnostics;
using static DfPO.Actors.Work.WorkProtocol;

namespace DfPO.Actors.Work;

/// <summary>
/// Pulls units from the queue on the learner's node and does them on its torch thread. What it decides is a <see cref="PullingWorker"/>;
/// the actor carries that out, and completes <c>ended</c> when the run ends (null) or it gives up (the reason).
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

    private sealed record Broken(Exception Failure) : INoSerializationVerificationNeeded;

    private sealed record Settled(IWireMessage? Report, Exception? Failure) : INoSerializationVerificationNeeded;

    private static readonly TimeSpan s_beat = TimeSpan.FromSeconds(1),
        s_step = TimeSpan.FromSeconds(3);
    private readonly WorkerActorOptions _options;
    private readonly TaskCompletionSource<Exception?> _ended;
    private readonly ActiveClock _clock = new(TimeProvider.System, s_step);
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly Cluster _cluster = Cluster.Get(Context.System);
    private readonly ScratchFolder _scratch = ScratchFolder.Create();
    private readonly TorchThread _thread;
    private readonly WeightsClient _client;
    private readonly CancellationTokenSource _stopping = new();
    private readonly HashSet<Address> _asked = [];
    private PullingWorker _worker;
    private IUnitExecutor? _executor;

    /// <summary>Makes a worker.</summary>
    public WorkerActor(WorkerActorOptions options, TaskCompletionSource<Exception?> ended)
    {
        (_options, _ended) = (options, ended);
        _worker = new PullingWorker(options.Id, options.Device, options.Patience);
        _thread = new TorchThread($"torch {options.Id}", options.TorchThreads);
        _client = new WeightsClient(
            Path.Combine(_scratch.Path, "fetched"),
            new WeightsClientOptions { Identity = options.Identity }
        );
        options.Relay?.Sources.Add(_client);
        Receive<ClusterEvent.MemberUp>(_ => Do(_worker.Look()));
        Receive<WorkerAccepted>(message => Do(_worker.Accepted(message, Sender)), _ => IsFromLearner());
        Receive<Ready>(message =>
        {
            _executor = message.Executor;
            Do(_worker.Ready(message.Executor.HeldDigest));
        });
        Receive<Broken>(message => Do(_worker.Broken(message.Failure)));
        Receive<HoldWeights>(message => Do(_worker.Hold(message, Sender)));
        Receive<AssignUnit>(message => Do(_worker.Assign(message, Sender)));
        Receive<Settled>(OnSettled);
        Receive<Beat>(_ =>
        {
            var members = _cluster.State.Members;
            Do(_worker.Beat(_clock.Now, members.Count, members.Count(member => member.HasRole(ClusterRoles.Learner))));
        });
        Receive<Terminated>(message => Do(_worker.Lost(message.ActorRef, _clock.Now)));
        Receive<WorkerRefused>(message => Do(_worker.Refused(message, Sender)), _ => IsFromLearner());
        Receive<RunEnded>(message => Do(_worker.Ended(message, Sender)));
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
        _worker.Queue.Tell(new LeaveQueue(_options.Id));
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
        _scratch.Dispose();
        _ended.TrySetResult(new OperationCanceledException($"worker {_options.Id} was stopped before the run ended"));
    }

    private void Do(PullingWorker worker)
    {
        _worker = worker.Done();
        foreach (var effect in worker.Effects)
            Do(effect);
    }

    private void Do(WorkerEffect effect)
    {
        switch (effect)
        {
            case WorkerEffect.Register(var run):
                Register(run);
                break;
            case WorkerEffect.Send(var to, var message):
                to.Tell(message);
                break;
            case WorkerEffect.Watch(var queue):
                Context.Watch(queue);
                break;
            case WorkerEffect.Build(var setup):
                Build(setup);
                break;
            case WorkerEffect.Take(var weights):
                Take(weights);
                break;
            case WorkerEffect.Execute(var unit):
                Execute(unit);
                break;
            case WorkerEffect.Say(var text):
                _options.Say(text);
                break;
            case WorkerEffect.End(var reason):
                End(reason);
                break;
        }
    }

    /// <summary>Asks every candidate: only the one that is the learner has a queue.</summary>
    private void Register(string run)
    {
        foreach (var learner in _cluster.State.Members.Where(m => m.Status == MemberStatus.Up && m.HasRole(ClusterRoles.Learner)))
        {
            _asked.Add(learner.Address);
            Context
                .ActorSelection(new RootActorPath(learner.Address) + _options.QueuePath)
                .Tell(
                    new RegisterWorker(_options.Id, _options.Device, ProductVersion.Text, _options.ModelDigest, _options.Relay?.Url ?? "")
                    {
                        MachineClass = MachineClass.Of(_options.Device, _options.TorchThreads),
                        Run = run,
                    }
                );
        }
    }

    /// <summary>
    /// Whether the sender is the queue of a node that this worker asked, and that may be a learner: whoever joins the cluster can call
    /// itself one.
    /// </summary>
    private bool IsFromLearner()
    {
        var node = Sender.Path.Address;
        if (Sender.Path.ToStringWithoutAddress() != _options.QueuePath)
            return false;
        if (!_asked.Contains(node.HasLocalScope ? _cluster.SelfAddress : node))
            return false;
        if (Peers.Of(Context.System).May(node, ClusterRoles.Learner))
            return true;
        _log.Warning("{0} calls itself a learner, but its certificate does not; it is not obeyed", node);
        return false;
    }

    private void Build(WorkerSetup setup)
    {
        var (before, learner) = (_executor, _worker.Queue.Path.Address);
        _executor = null;
        _thread
            .Run(() =>
            {
                before?.Dispose();
                CheckOrigin(setup, learner);
                return _options.CreateExecutor(setup, _client);
            })
            .PipeTo(Self, success: executor => new Ready(executor), failure: e => new Broken(e));
    }

    /// <summary>A learner serves its models itself.</summary>
    private static void CheckOrigin(WorkerSetup setup, Address learner)
    {
        if (
            learner.Host is { } host
            && setup.ModelUrl.Length > 0
            && !(Uri.TryCreate(setup.ModelUrl, UriKind.Absolute, out var url) && url.Host.Trim('[', ']') == host.Trim('[', ']'))
        )
            throw new DfpoException(
                "weights/address",
                $"The run at {host} sends this worker to '{setup.ModelUrl}' for its model: a worker fetches from the learner itself."
            );
    }

    private void Take(HoldWeights message) =>
        Take(_executor!, message)
            .PipeTo(
                Self,
                success: () => new Settled(null, null),
                failure: e => new Settled(new FailUnit(_options.Id, new UnitId(""), e.Message), e)
            );

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

    private void Execute(AssignUnit message)
    {
        var (id, executor) = (_options.Id, _executor!);
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
                return new CompleteUnit(id, message.Unit.Id, executor.HeldDigest, result, message.Run);
            })
            .PipeTo(
                Self,
                success: report => new Settled(report, null),
                failure: e => new Settled(new FailUnit(id, message.Unit.Id, e.Message), e)
            );
    }

    private void OnSettled(Settled message)
    {
        // A failure of ours says what and where by itself, and the queue tells it; anything else needs its place.
        if (message.Failure is { } failure and not (DfpoException or OperationCanceledException))
            _log.Warning(failure, "Worker {Worker}: {Reason}", _options.Id, failure.Message);
        Do(_worker.Settled(message.Report, _executor!.HeldDigest));
    }

    private void End(Exception? reason)
    {
        _ended.TrySetResult(reason);
        Context.Stop(Self);
    }
}
