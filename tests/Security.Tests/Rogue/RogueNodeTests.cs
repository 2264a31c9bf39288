using System.Collections.Concurrent;
using Akka.Actor;
using Akka.Cluster;
using Akka.Configuration;
using Akka.Dispatch.SysMsg;
using DfPO.Actors;
using DfPO.Actors.Clustering;
using DfPO.Actors.Experiments;
using DfPO.Actors.Work;
using DfPO.Security.Tests.Nodes;
using Google.Protobuf.WellKnownTypes;
using static DfPO.Actors.Work.WorkProtocol;

namespace DfPO.Security.Tests.Rogue;

/// <summary>An Akka node of the same name, as it comes out of the box, that joins and does what Akka lets it do.</summary>
public sealed class RogueNodeTests : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20);
    private readonly string _mark = Guid.NewGuid().ToString("N");
    private readonly ConcurrentQueue<object> _seen = [];
    private readonly ActorSystem _rogue = ActorSystem.Create(DfpoClusterExtensions.SystemName, AsItComes);

    private static Config AsItComes =>
        ConfigurationFactory.ParseString(
            """
            akka {
              loglevel = OFF
              stdout-loglevel = OFF
              actor.provider = cluster
              remote.dot-netty.tcp { hostname = 127.0.0.1, port = 0 }
              cluster { gossip-interval = 200ms, leader-actions-interval = 200ms, periodic-tasks-initial-delay = 200ms }
            }
            """
        );

    [Fact]
    public async Task A_node_of_ours_builds_nothing_obeys_nothing_and_goes_on_working()
    {
        await using var learner = await ClusterNode.Start(ClusterRoles.Learner);
        learner.System.ActorOf(Props.Create(() => new QueueParent(ClusterRoles.Rollout, 2)), ExperimentProtocol.ManagerName);
        PlaceCanaries(learner.System);
        await Cluster.Get(_rogue).JoinAsync(learner.Address).WaitAsync(s_patience);
        await learner.Members(2);

        await Attack(learner.Address);
        End(learner.Address);
        // The same connection keeps its order, so everything before this has been dealt with; and the targets are neither dead nor
        // suspended.
        Assert.Equal("pong", await Target(learner.Address, "canary").Ask<string>("ping", s_patience));
        Assert.Equal("pong", await Target(learner.Address, "sleeper").Ask<string>("ping", s_patience));
        Assert.DoesNotContain(Built.Marks.Keys, IsMine);
        Assert.Empty(_seen);

        await using var worker = await ClusterNode.Start(ClusterRoles.Rollout, learner.Address);
        await worker.Members(3);
        var inbox = Inbox.Create(worker.System);
        worker
            .System.ActorSelection(new RootActorPath(learner.Address) + ExperimentProtocol.QueuePath(ClusterRoles.Rollout))
            .Tell(new RegisterWorker(new WorkerId("ann"), "cpu", ProductVersion.Text, ""), inbox.Receiver);
        Assert.Equal("float32", Assert.IsType<WorkerAccepted>(await inbox.ReceiveAsync(s_patience)).Setup.Dtype);
    }

    /// <summary>What shows that the attacks are real.</summary>
    [Fact]
    public async Task A_node_as_it_comes_builds_and_obeys()
    {
        using var victim = ActorSystem.Create(DfpoClusterExtensions.SystemName, AsItComes);
        var address = Cluster.Get(victim).SelfAddress;
        await Cluster.Get(victim).JoinAsync(address).WaitAsync(s_patience);
        PlaceCanaries(victim);
        await Attack(address);
        await ClusterNode.Eventually(() => Built.Marks.Keys.Count(IsMine) == 5, "five types are built");
        await ClusterNode.Eventually(
            () => new object[] { "selected", "restarted" }.All(_seen.Contains) && _seen.Any(message => message is StringValue),
            "the target hears and restarts"
        );
        // Only now: the system's messages overtake others in a mailbox, and a target that has stopped hears nothing.
        End(address);
        await ClusterNode.Eventually(() => _seen.Contains("stopped"), "the target stops");
        await Assert.ThrowsAsync<AskTimeoutException>(() => Target(address, "sleeper").Ask<string>("ping", TimeSpan.FromSeconds(1)));
        await victim.Terminate();
    }

    public void Dispose() => _rogue.Terminate().Wait(s_patience);

    private bool IsMine(string mark) => mark.StartsWith(_mark, StringComparison.Ordinal);

    private void PlaceCanaries(ActorSystem system)
    {
        system.ActorOf(Props.Create(() => new Canary(_seen)), "canary");
        system.ActorOf(Props.Create(() => new Canary(_seen)), "sleeper");
    }

    /// <summary>A reference needs no selection: it can be written down.</summary>
    private IInternalActorRef Target(Address address, string name) =>
        (IInternalActorRef)
            ((ExtendedActorSystem)_rogue).Provider.ResolveActorRef((new RootActorPath(address) / "user" / name).ToSerializationFormat());

    private async Task Attack(Address address)
    {
        var (canary, sleeper) = (Target(address, "canary"), Target(address, "sleeper"));
        Assert.Equal("pong", await canary.Ask<string>("ping", s_patience));
        canary.Tell(new EvilMessage($"{_mark} json"));
        canary.Tell(new Status.Failure(new EvilException($"{_mark} status")));
        canary.Tell(new Identify(new EvilMessage($"{_mark} nested")));
        canary.Tell(new StringValue { Value = "protobuf" });
        canary.Tell(new byte[] { 1 });
        _rogue.ActorSelection(canary.Path).Tell("selected");
        canary.SendSystemMessage(new Recreate(new EvilException($"{_mark} restart")));
        _rogue.ActorOf(Props.Create(() => new EvilActor($"{_mark} deployed")).WithDeploy(new Deploy(new RemoteScope(address))));
        sleeper.SendSystemMessage(new Suspend());
    }

    private void End(Address address)
    {
        var canary = Target(address, "canary");
        canary.Tell(Kill.Instance);
        canary.Tell(PoisonPill.Instance);
        canary.SendSystemMessage(new Terminate());
    }
}
