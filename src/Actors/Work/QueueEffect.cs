using Akka.Actor;
using DfPO.Actors.Weights;

namespace DfPO.Actors.Work;

/// <summary>What a <see cref="WorkQueue"/> wants to be done, in this order; its actor does it.</summary>
public abstract record QueueEffect
{
    /// <summary>A message to a worker.</summary>
    public sealed record Send(IActorRef To, WorkProtocol.IWireMessage Message) : QueueEffect;

    /// <summary>A unit to a worker, with the trace that the unit is part of.</summary>
    public sealed record Assign(IActorRef To, WorkUnit Unit) : QueueEffect;

    /// <summary>The weights of a unit to a worker, with the trace that the unit is part of.</summary>
    public sealed record Hold(IActorRef To, WeightsRef Weights, UnitId For, IReadOnlyList<string> Relays) : QueueEffect;

    /// <summary>A result to whoever submitted the unit.</summary>
    public sealed record Finish(UnitId Unit, UnitResult Result, WorkerId Maker) : QueueEffect;

    /// <summary>A unit is given up.</summary>
    public sealed record Abandon(UnitId Unit, string Reason) : QueueEffect;

    /// <summary>Hear of a worker's end.</summary>
    public sealed record Watch(IActorRef Worker) : QueueEffect;

    /// <summary>No longer hear of it.</summary>
    public sealed record Unwatch(IActorRef Worker) : QueueEffect;

    /// <summary>There are so many workers now.</summary>
    public sealed record Count(int Workers) : QueueEffect;

    /// <summary>So many units have waited so long for anybody to do them.</summary>
    public sealed record Await(int Units, TimeSpan Waited) : QueueEffect;

    /// <summary>Something that happened to a worker, for those who watch.</summary>
    public sealed record Happen(WorkEvent What) : QueueEffect;

    /// <summary>A line of the log.</summary>
    public sealed record Log(string Text, bool IsWarning = true) : QueueEffect;
}
