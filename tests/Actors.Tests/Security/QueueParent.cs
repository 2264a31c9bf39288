using Akka.Actor;
using DfPO.Actors.Experiments;
using DfPO.Actors.Work;

namespace DfPO.Actors.Tests.Security;

/// <summary>A role's queue where workers look for it, below the experiment's singleton, and on each floor one that nobody may select.</summary>
internal sealed class QueueParent : UntypedActor
{
    public QueueParent(string role, int floors)
    {
        foreach (var name in new[] { role, "other" })
            Context.ActorOf(WorkQueueActor.Props(new WorkQueueOptions(role, new WorkerSetup("", "float32", ""), TimeSpan.FromMinutes(1), 3, TimeSpan.FromMinutes(1), _ => { }, (_, _, _) => { }, () => Task.FromResult(""))), name);
        if (floors > 1)
            Context.ActorOf(Props.Create(() => new QueueParent(role, floors - 1)), ExperimentProtocol.SingletonName);
    }

    protected override void OnReceive(object message)
    {
    }
}
