using Akka.Actor;

namespace DfPO.Actors.Work;

/// <summary>What a <see cref="PullingWorker"/> wants to be done, in this order; its actor does it.</summary>
public abstract record WorkerEffect
{
    /// <summary>Ask every candidate for the learner's place to be taken in.</summary>
    public sealed record Register(string Run) : WorkerEffect;

    /// <summary>A message to its queue.</summary>
    public sealed record Send(IActorRef To, WorkProtocol.IWireMessage Message) : WorkerEffect;

    /// <summary>Hear of the queue's end.</summary>
    public sealed record Watch(IActorRef Queue) : WorkerEffect;

    /// <summary>Build the engine, in place of the one that is there.</summary>
    public sealed record Build(WorkerSetup Setup) : WorkerEffect;

    /// <summary>Fetch weights and put them into the engine.</summary>
    public sealed record Take(WorkProtocol.HoldWeights Weights) : WorkerEffect;

    /// <summary>Do a unit.</summary>
    public sealed record Execute(WorkProtocol.AssignUnit Unit) : WorkerEffect;

    /// <summary>Stop, because the run ended (null) or for a reason.</summary>
    public sealed record End(Exception? Reason) : WorkerEffect;

    /// <summary>Tell the user.</summary>
    public sealed record Say(string Text) : WorkerEffect;
}
