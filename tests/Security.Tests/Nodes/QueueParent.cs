using Akka.Actor;
using DfPO.Actors;
using DfPO.Actors.Experiments;
using DfPO.Actors.Work;

namespace DfPO.Security.Tests.Nodes;

/// <summary>
/// A role's queue where workers look for it, below the experiment's singleton, and on each floor one that nobody may select.
/// </summary>
internal sealed class QueueParent : UntypedActor
{
    public QueueParent(string role, int floors)
    {
        var options = new WorkQueueOptions
        {
            Role = role,
            Setup = new WorkerSetup("", "float32", ""),
            UnitTimeout = TimeSpan.FromMinutes(1),
            MaxAttempts = 3,
            WorkerPatience = TimeSpan.FromMinutes(1),
        };
        foreach (var name in new[] { role, "other" })
            Context.ActorOf(WorkQueueActor.Props(options), name);
        if (floors > 1)
            Context.ActorOf(Props.Create(() => new QueueParent(role, floors - 1)), ExperimentProtocol.SingletonName);
    }

    protected override void OnReceive(object message) { }
}
