using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Cluster;
using Akka.Cluster.Tools.Singleton;
using Akka.Cluster.Tools.Singleton.Serialization;
using DfPO.Actors;
using DfPO.Actors.Experiments;
using DfPO.Actors.Work;
using DfPO.Security.Tests.Rogue;
using static DfPO.Actors.Work.WorkProtocol;

namespace DfPO.Security.Tests.Nodes;

/// <summary>What nodes need of Akka passes the guard.</summary>
public sealed class WireGuardTests
{
    [Fact]
    public async Task A_singleton_is_handed_over_between_learners()
    {
        var started = new List<Address>();
        void Place(ClusterNode node) =>
            node.System.ActorOf(
                ClusterSingletonManager.Props(
                    Props.Create(() => new Announcer(started)),
                    PoisonPill.Instance,
                    ClusterSingletonManagerSettings
                        .Create(node.System)
                        .WithRole(ClusterRoles.Learner)
                        .WithSingletonName(ExperimentProtocol.SingletonName)
                ),
                ExperimentProtocol.ManagerName
            );
        await using var first = await ClusterNode.Start(ClusterRoles.Learner);
        Place(first);
        await ClusterNode.Eventually(() => started.SequenceEqual([first.Address]), "the first node has it");
        await using var second = await ClusterNode.Start(ClusterRoles.Learner, first.Address);
        Place(second);
        await second.Members(2);
        Assert.IsType<ClusterSingletonMessageSerializer>(
            second.System.Serialization.FindSerializerForType(typeof(IClusterSingletonMessage))
        );
        await first.Cluster.LeaveAsync();
        await ClusterNode.Eventually(() => started.SequenceEqual([first.Address, second.Address]), "the second node takes it over");
        Assert.DoesNotContain("not read", first.Log + second.Log);
    }

    [Fact]
    public async Task Selections_reach_the_queues_and_nothing_else_and_a_lost_node_is_noticed()
    {
        await using var learner = await ClusterNode.Start(ClusterRoles.Learner);
        learner.System.ActorOf(Props.Create(() => new QueueParent(ClusterRoles.Reward, 2)), ExperimentProtocol.ManagerName);
        var worker = await ClusterNode.Start(ClusterRoles.Reward, learner.Address);
        await worker.Members(2);
        var inbox = Inbox.Create(worker.System);
        async Task<object?> Answer(string path)
        {
            worker
                .System.ActorSelection(new RootActorPath(learner.Address) + path)
                .Tell(new RegisterWorker(new WorkerId("ann"), "cpu", ProductVersion.Text, ""), inbox.Receiver);
            try
            {
                return await inbox.ReceiveAsync(TimeSpan.FromMilliseconds(500));
            }
            catch (TimeoutException)
            {
                return null;
            }
        }
        var queuePath = ExperimentProtocol.QueuePath(ClusterRoles.Reward);
        Assert.IsType<WorkerAccepted>(await Answer(queuePath));
        foreach (
            var path in new[]
            {
                queuePath.Replace(ClusterRoles.Reward, "other", StringComparison.Ordinal),
                queuePath.Replace(ClusterRoles.Reward, "*", StringComparison.Ordinal),
                $"/user/{ExperimentProtocol.ManagerName}/other",
            }
        )
            Assert.Null(await Answer(path));

        // Watching crosses the wire as well: the queue hears of the worker's end.
        var queue = await learner.System.ActorSelection(queuePath).ResolveOne(TimeSpan.FromSeconds(5));
        Assert.Equal(1, (await queue.Ask<QueueStatus>(new GetStatus())).Workers);
        worker.System.Stop(inbox.Receiver);
        await ClusterNode.Eventually(() => queue.Ask<QueueStatus>(new GetStatus()).Result.Workers == 0, "the worker's end is heard of");
        await worker.DisposeAsync();
        await learner.Members(1);
        Assert.DoesNotContain("not read", learner.Log + worker.Log);
    }

    [Fact]
    public async Task What_nodes_do_not_exchange_is_not_sent_either()
    {
        await using var node = await ClusterNode.Start(ClusterRoles.Learner);
        Assert.All(
            new object[]
            {
                new EvilMessage(""),
                PoisonPill.Instance,
                new Status.Failure(new EvilException("")),
                new byte[1],
                new Akka.Dispatch.SysMsg.Suspend(),
            },
            message => Assert.Throws<SerializationException>(() => node.System.Serialization.Serialize(message))
        );
        Assert.NotEmpty(node.System.Serialization.Serialize(new LeaveQueue(new WorkerId("ann"))));
    }

    private sealed class Announcer : UntypedActor
    {
        public Announcer(List<Address> started) => started.Add(Cluster.Get(Context.System).SelfAddress);

        protected override void OnReceive(object message) { }
    }
}
