using Akka.Actor;
using DfPO.Actors.Security.Wire;
using Google.Protobuf;
using Address = Akka.Actor.Address;

namespace DfPO.Actors.Security;

/// <summary>What becomes of a message from another node.</summary>
/// <param name="Reason">Why it is not let through; null lets it.</param>
/// <param name="IsForged">It could come of no accident: its connection is closed.</param>
internal readonly record struct Verdict(string? Reason, bool IsForged = true)
{
    /// <summary>Lets it through.</summary>
    public static Verdict Pass => default;
}

/// <summary>A learner's node as this node sees it for itself.</summary>
/// <param name="Address">Where it is reached.</param>
/// <param name="Uid">Its incarnation.</param>
internal sealed record LearnerInSight(Address Address, int Uid)
{
    /// <summary>Whether an incarnation in a message is this one.</summary>
    public bool Is(Incarnation node) =>
        (int)node.Uid == Uid && node.Address is { } at && (at.Host, (int?)at.Port) == (Address.Host, Address.Port);
}

/// <summary>What this node knows of the cluster without having been told by the peer in question.</summary>
internal interface IClusterSight
{
    /// <summary>Whether it is known yet.</summary>
    bool IsReady { get; }

    /// <summary>Learners that this node has no reason to think dead: itself, and those whose heartbeats it hears.</summary>
    IEnumerable<LearnerInSight> LiveLearners();

    /// <summary>Whether a member of the role learner has an address.</summary>
    bool IsLearner(Peer peer);
}

/// <summary>
/// Which of Akka's messages a peer may send, in whose name, and what it may say of others. Akka believes every message: the sender is a
/// field of it, a node may be put out of the cluster by a message of anyone, and the singleton stops when anyone asks for it.
/// </summary>
internal static class PeerRules
{
    private const int Cluster = 5,
        Selected = 6,
        Singleton = 14,
        System = 22;
    private const string Daemon = "Akka.Cluster.InternalClusterAction+";

    // Numbers of the wire: the latter two of Member.Status in order, and SubjectReachability's.
    private const int StatusUp = 1,
        StatusLeaving = 2,
        StatusWeaklyUp = 6,
        Unreachable = 1;

    /// <summary>Judges a frame that is no instruction.</summary>
    /// <exception cref="InvalidProtocolBufferException">It is broken.</exception>
    public static Verdict Judge(ByteString container, Peer peer, IClusterSight sight)
    {
        if (Container.Parser.WithDiscardUnknownFields(true).ParseFrom(container).Envelope is not { } envelope)
            return Verdict.Pass; // An acknowledgement alone.
        if (envelope.Sender is { Path.Length: > 0 } sender && !peer.Owns(sender.Path))
            return new($"a message in the name of {sender.Path}");
        if (envelope.Message is not { } message)
            return new("a message without content");
        if (message.Serializer != Selected)
            return Judge(message, peer, sight);
        var inner = Parse<Selection>(message.Message).Payload;
        return inner is null or { Serializer: Selected } ? new("a selection of no message, or of a selection") : Judge(inner, peer, sight);
    }

    private static Verdict Judge(Payload message, Peer peer, IClusterSight sight) =>
        message.Serializer switch
        {
            Cluster => JudgeCluster(message.Manifest.ToStringUtf8(), message.Message, peer, sight),
            Singleton => sight.IsReady && IsLearner(peer, sight)
                ? Verdict.Pass
                : new("a message of the experiment's hand-over, which learners alone exchange", IsForged: false),
            System => JudgeSystem(message.Manifest.ToStringUtf8(), message.Message, peer),
            _ => Verdict.Pass,
        };

    // A certificate is enough; without one, membership must do.
    private static bool IsLearner(Peer peer, IClusterSight sight) =>
        peer.Certificate?.May(ClusterRoles.Learner) ?? sight.IsLearner(peer);

    private static Verdict JudgeSystem(string manifest, ByteString message, Peer peer)
    {
        // The manifests are names of types, which the wire guard compares in full.
        var type = manifest.Split(',')[0];
        if (type.EndsWith("Watch", StringComparison.Ordinal))
            return peer.Owns(Parse<Watching>(message).Watcher?.Path) ? Verdict.Pass : new("a watch in the name of another");
        if (type.EndsWith("DeathWatchNotification", StringComparison.Ordinal))
            return peer.Owns(Parse<DeathNotice>(message).Actor?.Path) ? Verdict.Pass : new("the death of an actor of another node");
        return Verdict.Pass;
    }

    private static Verdict JudgeCluster(string manifest, ByteString message, Peer peer, IClusterSight sight)
    {
        Verdict OwnName(bool own) => own ? Verdict.Pass : new("a cluster message in the name of another node");
        switch (manifest)
        {
            case Daemon + "InitJoin, Akka.Cluster":
                return Verdict.Pass;
            case Daemon + "InitJoinAck, Akka.Cluster":
            case Daemon + "InitJoinNack, Akka.Cluster":
                return OwnName(peer.Is(Parse<NodeAddress>(message)));
            case "HB":
                return OwnName(peer.Is(Parse<Heartbeat>(message).From));
            case "HBR":
            case Daemon + "Welcome, Akka.Cluster":
            case "Akka.Cluster.GossipStatus, Akka.Cluster":
                return OwnName(peer.Is(Parse<Told>(message).From));
            case Daemon + "ExitingConfirmed, Akka.Cluster":
                return OwnName(peer.Is(Parse<Incarnation>(message)));
            case Daemon + "Join, Akka.Cluster":
                var join = Parse<Join>(message);
                if (!peer.Is(join.Node))
                    return new("a wish to join in the name of another node");
                var wrong = join.Roles.FirstOrDefault(role => !peer.May(role));
                return wrong is null
                    ? Verdict.Pass
                    : new($"a wish to join as {wrong}, which its certificate does not say; 'dfpo certs --role {wrong}' makes one that does");
            case "Akka.Cluster.GossipEnvelope, Akka.Cluster":
                var envelope = Parse<GossipEnvelope>(message);
                if (!peer.Is(envelope.From))
                    return new("gossip in the name of another node");
                if (!sight.IsReady)
                    return new("gossip before this node is ready for it", IsForged: false);
                return IsLearner(peer, sight)
                    ? Verdict.Pass
                    : JudgeGossip(Parse<Gossip>(envelope.Gossip), peer, sight);
            default:
                // Down and Leave among them: what a user asks of a node is asked on that node.
                return new($"the cluster message '{Short(manifest)}', which nodes of DfPO do not exchange");
        }
    }

    /// <summary>
    /// Who is no learner is not believed that a learner has gone, or must go, while this node sees that learner live. Otherwise one worker
    /// could talk the cluster out of its learner.
    /// </summary>
    private static Verdict JudgeGossip(Gossip gossip, Peer peer, IClusterSight sight)
    {
        foreach (var learner in sight.LiveLearners())
        {
            bool Means(int address) => address >= 0 && address < gossip.Addresses.Count && learner.Is(gossip.Addresses[address]);
            Verdict Lie(string claim) => new($"gossip that the learner at {learner.Address.Host}:{learner.Address.Port} {claim}", false);
            if (gossip.Members.FirstOrDefault(member => Means(member.Address)) is not { } member)
                return Lie("is no member");
            var saysSo = member.Status == StatusLeaving && peer.Is(gossip.Addresses[member.Address]);
            if (member.Status is not (<= StatusUp or StatusWeaklyUp) && !saysSo)
                return Lie("is down or leaves");
            if (gossip.Tombstones.Any(tombstone => Means(tombstone.Address)))
                return Lie("is gone for ever");
            if (
                gossip.Overview?.Observers.Any(observer =>
                    observer.Subjects.Any(subject => subject.Status >= Unreachable && Means(subject.Address))
                ) == true
            )
                return Lie("cannot be reached");
        }
        return Verdict.Pass;
    }

    private static string Short(string text) => text.Length > 100 ? text[..100] : text;

    private static T Parse<T>(ByteString bytes)
        where T : IMessage<T>, new() => new MessageParser<T>(() => new T()).WithDiscardUnknownFields(true).ParseFrom(bytes);
}
