using System.Collections.Immutable;
using Akka.Actor;
using DfPO.Actors.Timing;
using DfPO.Models;
using static DfPO.Actors.Work.WorkProtocol;

namespace DfPO.Actors.Work;

/// <summary>
/// What a worker decides: pure transitions, no clock, no actor and no engine. What follows from a transition is in <see cref="Effects"/>,
/// which <see cref="WorkerActor"/> carries out. Times are those of <see cref="ActiveClock"/>.
/// </summary>
/// <param name="Id">Identity.</param>
/// <param name="Device">Device of its engine, for messages.</param>
/// <param name="Patience">How long it looks for a learner, at the start or after losing one.</param>
public sealed record PullingWorker(WorkerId Id, string Device, TimeSpan Patience)
{
    private static readonly TimeSpan s_sayEvery = TimeSpan.FromSeconds(5),
        s_farewell = TimeSpan.FromSeconds(3);

    /// <summary>What is to be done, in this order.</summary>
    public ImmutableList<WorkerEffect> Effects { get; private init; } = [];

    /// <summary>The queue that it pulls from; nobody while it looks for a learner.</summary>
    public IActorRef Queue { get; private init; } = ActorRefs.Nobody;

    /// <summary>What its engine was built from, or is being; null while it has none.</summary>
    public WorkerSetup? Engine { get; private init; }

    /// <summary>The run that its engine serves; empty while it has none.</summary>
    public string Run => Engine?.Run ?? "";

    /// <summary>It builds its engine, takes weights or does a unit.</summary>
    public bool Busy { get; private init; }

    private bool Built { get; init; }

    /// <summary>What the queue wants, while the engine is of another setup and busy.</summary>
    private WorkerSetup? Wanted { get; init; }

    private string Held { get; init; } = "";

    private TimeSpan Alone { get; init; }

    private TimeSpan Said { get; init; }

    /// <summary>The state after its effects were carried out.</summary>
    public PullingWorker Done() => this with { Effects = [] };

    /// <summary>Time has passed.</summary>
    /// <param name="now">The time.</param>
    /// <param name="members">Members of the cluster that are seen.</param>
    /// <param name="learners">Those of them that learn, or stand by.</param>
    public PullingWorker Beat(TimeSpan now, int members, int learners)
    {
        if (!Queue.IsNobody())
            return Busy || !Built ? this : Pull();
        var worker = Look();
        var waited = now - Alone;
        // A learner that took its leave starts another cluster when it is resumed, which nobody in this one can see.
        if (Engine is not null && members > 0 && learners == 0 && waited >= s_farewell)
            return worker.With(new WorkerEffect.End(new OperationCanceledException($"worker {Id} is in a cluster without a learner")));
        if (waited > Patience)
            return worker.With(
                new WorkerEffect.End(
                    new DfpoException(
                        "worker/no-learner",
                        $"Worker {Id} found no learner for {Patience.TotalSeconds:F0} s ({members} members seen): is a run listening there? 'dfpo run' shows its address."
                    )
                )
            );
        return waited >= s_sayEvery && now - Said >= s_sayEvery
            ? (worker with { Said = now }).With(
                new WorkerEffect.Say($"waiting for a learner: {waited.TotalSeconds:F0} of at most {Patience.TotalSeconds:F0} s")
            )
            : worker;
    }

    /// <summary>Looks for a learner, if it has none.</summary>
    public PullingWorker Look() => Queue.IsNobody() ? With(new WorkerEffect.Register(Run)) : this;

    /// <summary>A queue takes it in. An engine that was built for another run, or from other files, is built anew.</summary>
    public PullingWorker Accepted(WorkerAccepted message, IActorRef queue)
    {
        if (!Queue.IsNobody())
            return this;
        var worker = (this with { Queue = queue }).With(new WorkerEffect.Watch(queue));
        if (Engine is { } engine && engine.IsSameEngine(message.Setup))
            return worker with { Wanted = null };
        return Busy ? worker with { Wanted = message.Setup } : worker.Build(message.Setup);
    }

    /// <summary>The engine is there.</summary>
    /// <param name="held">The weights in it.</param>
    public PullingWorker Ready(string held)
    {
        var worker = this with { Built = true, Busy = false, Held = held };
        return worker.With(new WorkerEffect.Say($"joined the run: worker {Id} on {Device}")).Next();
    }

    /// <summary>The queue wants other weights in the engine.</summary>
    public PullingWorker Hold(HoldWeights message, IActorRef sender) =>
        !sender.Equals(Queue) || Busy || !Built ? this : (this with { Busy = true }).With(new WorkerEffect.Take(message));

    /// <summary>The queue has a unit for it.</summary>
    public PullingWorker Assign(AssignUnit message, IActorRef sender)
    {
        if (!sender.Equals(Queue) || message.Run != Run)
            return this; // Whoever gave it will miss it, and give it to another.
        return Busy || !Built
            ? With(new WorkerEffect.Send(sender, new ReturnUnit(Id, message.Unit.Id)))
            : (this with { Busy = true }).With(new WorkerEffect.Execute(message));
    }

    /// <summary>It has come to an end with what it was busy with.</summary>
    /// <param name="report">What the queue is to know of it; null for nothing.</param>
    /// <param name="held">The weights in the engine now.</param>
    public PullingWorker Settled(IWireMessage? report, string held)
    {
        var worker = this with { Busy = false, Held = held };
        if (report is not null && !Queue.IsNobody())
            worker = worker.With(new WorkerEffect.Send(Queue, report));
        return worker.Next();
    }

    /// <summary>The engine cannot be built: without one there is nothing to try again with.</summary>
    public PullingWorker Broken(Exception failure) => With(new WorkerEffect.End(failure));

    /// <summary>The learner may come back, or another one take its place: the engine stays ready.</summary>
    public PullingWorker Lost(IActorRef queue, TimeSpan now) =>
        queue.Equals(Queue)
            ? (this with { Queue = ActorRefs.Nobody, Alone = now }).With(new WorkerEffect.Say("lost the learner"))
            : this;

    /// <summary>The run does not want it.</summary>
    public PullingWorker Refused(WorkerRefused message, IActorRef sender) =>
        !Queue.IsNobody() && !sender.Equals(Queue)
            ? this
            : With(new WorkerEffect.End(new DfpoException("worker/refused", $"The run refused this worker: {message.Reason}.")));

    /// <summary>The run has ended.</summary>
    public PullingWorker Ended(RunEnded message, IActorRef sender) =>
        !sender.Equals(Queue)
            ? this
            : With(
                new WorkerEffect.End(
                    message.Failure.Length == 0 ? null : new DfpoException("worker/run-failed", $"The run failed: {message.Failure}")
                )
            );

    private PullingWorker Build(WorkerSetup setup) =>
        (
            this with
            {
                Engine = setup,
                Wanted = null,
                Built = false,
                Busy = true,
                Held = "",
            }
        ).With(new WorkerEffect.Build(setup));

    private PullingWorker Next() =>
        Wanted is { } setup ? Build(setup)
        : Queue.IsNobody() || Busy || !Built ? this
        : Pull();

    private PullingWorker Pull() => With(new WorkerEffect.Send(Queue, new RequestWork(Id, Held)));

    private PullingWorker With(WorkerEffect effect) => this with { Effects = Effects.Add(effect) };
}
