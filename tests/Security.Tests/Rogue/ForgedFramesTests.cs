using Akka.Cluster;
using DfPO.Actors;
using DfPO.Actors.Security.Wire;
using DfPO.Security.Tests.Nodes;
using Google.Protobuf;
using Address = Akka.Actor.Address;

namespace DfPO.Security.Tests.Rogue;

/// <summary>
/// Bytes of Akka's protocol by hand: what no honest node sends. Whoever reaches the port can send them where there is no TLS, and every
/// member can under TLS.
/// </summary>
public sealed class ForgedFramesTests
{
    private const string Daemon = "Akka.Cluster.InternalClusterAction+",
        User = "Akka.Cluster.ClusterUserAction+";
    private const int ClusterSerializer = 5;

    [Fact]
    public async Task The_cluster_obeys_no_stranger_and_no_member_that_speaks_for_others()
    {
        await using var learner = await ClusterNode.Start(ClusterRoles.Learner);
        await using var worker = await ClusterNode.Start(ClusterRoles.Rollout, learner.Address);
        await learner.Members(2);
        await worker.Members(2);
        foreach (var victim in new[] { learner, worker })
        {
            // Each on a connection of its own, because a forgery ends it.
            foreach (
                var (manifest, message) in new (string, IMessage)[]
                {
                    (User + "Down, Akka.Cluster", Of(learner.Address)),
                    (User + "Leave, Akka.Cluster", Of(learner.Address)),
                    (User + "Down, Akka.Cluster", Of(worker.Address)),
                    (Daemon + "ExitingConfirmed, Akka.Cluster", Of(learner)),
                    // A new incarnation of the learner: Akka downs the old one.
                    (
                        Daemon + "Join, Akka.Cluster",
                        new Join { Node = new() { Address = Of(learner.Address), Uid = 7 }, Roles = { "learner" } }
                    ),
                    ("Akka.Cluster.GossipEnvelope, Akka.Cluster", new GossipEnvelope { From = Of(learner), Gossip = ByteString.Empty }),
                }
            )
            {
                using var rogue = await RawNode.Dial(victim.Address, 7);
                await rogue.Send("/system/cluster/core/daemon", ClusterSerializer, manifest, message);
                await rogue.IsClosed();
            }
        }
        Assert.Contains("was not read", learner.Log);
        await StillBothUp(learner, worker);
    }

    [Fact]
    public async Task Nobody_sends_in_the_name_of_an_actor_of_another_node()
    {
        await using var learner = await ClusterNode.Start(ClusterRoles.Learner);
        foreach (var sender in new[] { $"{learner.Address}/user/experiment", "akka://dfpo/user/experiment", "akka.tcp://dfpo@127.0.0.1:1/user/a" })
        {
            using var rogue = await RawNode.Dial(learner.Address, 7);
            await rogue.Send("/user/experiment", 1010, "ended", new Reference { Path = "it does not matter" }, sender);
            await rogue.IsClosed();
        }
        Assert.Contains("in the name of", learner.Log);
    }

    [Fact]
    public async Task Nobody_takes_the_address_of_a_node_that_is_connected()
    {
        await using var learner = await ClusterNode.Start(ClusterRoles.Learner);
        await using var worker = await ClusterNode.Start(ClusterRoles.Rollout, learner.Address);
        await learner.Members(2);
        using (var rogue = await RawNode.Dial(learner.Address, 7, claims: worker.Address))
            await rogue.IsClosed();
        using (var rogue = await RawNode.Dial(worker.Address, 7, claims: learner.Address))
            await rogue.IsClosed();
        Assert.Contains("another node is connected by that address", learner.Log);
        await StillBothUp(learner, worker);
    }

    [Fact]
    public async Task The_experiment_is_handed_over_to_no_stranger()
    {
        await using var learner = await ClusterNode.Start(ClusterRoles.Learner);
        using var rogue = await RawNode.Dial(learner.Address, 7);
        for (var i = 0; i < 25; i++)
            await rogue.Send("/user/experiment", 14, "A", new Reference());
        await ClusterNode.Eventually(() => learner.Log.Contains("hand-over", StringComparison.Ordinal), "the wish for a hand-over is refused");
    }

    [Fact]
    public async Task Broken_frames_and_frames_before_a_handshake_end_the_connection_alone()
    {
        await using var learner = await ClusterNode.Start(ClusterRoles.Learner);
        var random = new Random(1);
        for (var i = 0; i < 20; i++)
        {
            using var rogue = await RawNode.Dial(learner.Address, null);
            var noise = new byte[random.Next(1, 200)];
            random.NextBytes(noise);
            await rogue.Frame(noise);
        }
        using (var rogue = await RawNode.Dial(learner.Address, null))
        {
            await rogue.Send("/system/cluster/core/daemon", ClusterSerializer, User + "Down, Akka.Cluster", Of(learner.Address));
            await rogue.IsClosed();
        }
        await using var worker = await ClusterNode.Start(ClusterRoles.Rollout, learner.Address);
        await learner.Members(2);
    }

    private static async Task StillBothUp(ClusterNode learner, ClusterNode worker)
    {
        // Longer than a leader takes to act on what it believed.
        await Task.Delay(1000);
        foreach (var node in new[] { learner, worker })
            Assert.All(node.Cluster.State.Members, member => Assert.Equal(MemberStatus.Up, member.Status));
        await learner.Members(2);
        await worker.Members(2);
        Assert.Empty(learner.Cluster.State.Unreachable);
    }

    private static NodeAddress Of(Address address) =>
        new()
        {
            System = address.System,
            Host = address.Host,
            Port = (uint)address.Port!.Value,
        };

    private static Incarnation Of(ClusterNode node) => new() { Address = Of(node.Address), Uid = (uint)node.Cluster.SelfUniqueAddress.Uid };
}
