using System.Collections.Concurrent;
using System.Net;
using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Cluster;

namespace DfPO.Actors.Security;

/// <summary>
/// Who is connected to this node: the certificate of each connection, and which node each says it is. An address belongs to the first
/// incarnation and certificate that claim it, until their connections are closed.
/// </summary>
/// <param name="identity">This node's; null for plain connections.</param>
internal sealed class Peers(NodeIdentity? identity) : Setup, IClusterSight
{
    private sealed record Claim(Peer Peer, int Connections);

    private static readonly Peers s_open = new((NodeIdentity?)null);
    private readonly ConcurrentDictionary<string, NodeCertificate> _presented = [];
    private readonly Dictionary<(string Host, int Port), Claim> _claims = [];
    private volatile Cluster? _cluster;

    /// <summary>Whether connections are mutual TLS.</summary>
    public bool AreProven => identity is not null;

    /// <summary>The peers of an actor system; of one without such a setup, nothing is known.</summary>
    public static Peers Of(ActorSystem system) =>
        system.Settings.Setup.Get<Peers>() is { HasValue: true, Value: var peers } ? peers : s_open;

    /// <summary>Notes the certificate of a connection that has been let in.</summary>
    /// <param name="connection">Address of the other end, as Akka names it.</param>
    /// <param name="certificate">What it showed.</param>
    public void Present(string connection, NodeCertificate certificate) => _presented[Key(connection)] = certificate;

    /// <summary>The certificate of a connection; null where it showed none.</summary>
    public NodeCertificate? Certificate(Address connection, bool isOutbound) =>
        _presented.GetValueOrDefault(isOutbound ? Key(connection.ToString()) : Key($"{connection.Host}:{connection.Port}"));

    /// <summary>The connection is closed.</summary>
    public void Forget(Address connection, bool isOutbound)
    {
        if (!isOutbound)
            _presented.TryRemove(Key($"{connection.Host}:{connection.Port}"), out _);
    }

    /// <summary>Takes a peer's word for its address.</summary>
    /// <returns>Why not; null when it is taken, and then given back by <see cref="Release"/>.</returns>
    public string? Take(Peer peer)
    {
        if (identity is not null)
        {
            if (peer.Certificate is not { } certificate)
                return "it showed no certificate";
            if (!certificate.Names(peer.Host))
                return $"its certificate '{certificate.Subject}' is for {string.Join(", ", certificate.Hosts)}";
        }
        lock (_claims)
        {
            var at = (peer.Host, peer.Port);
            if (!_claims.TryGetValue(at, out var claim))
                _claims[at] = new Claim(peer, 1);
            else if (claim.Peer.Uid != peer.Uid || claim.Peer.Certificate?.Thumbprint != peer.Certificate?.Thumbprint)
                return "another node is connected by that address";
            else
                _claims[at] = claim with { Connections = claim.Connections + 1 };
            return null;
        }
    }

    /// <summary>A connection of the peer has ended.</summary>
    public void Release(Peer peer)
    {
        lock (_claims)
        {
            var at = (peer.Host, peer.Port);
            if (_claims.TryGetValue(at, out var claim))
                if (claim.Connections > 1)
                    _claims[at] = claim with { Connections = claim.Connections - 1 };
                else
                    _claims.Remove(at);
        }
    }

    /// <summary>Whether the node at an address may do a role's work: always where nothing is proven, and where it is this node.</summary>
    public bool May(Address node, string role)
    {
        if (identity is null || node.HasLocalScope || node.Equals(_cluster?.SelfAddress))
            return true;
        lock (_claims)
            return _claims.TryGetValue((node.Host, node.Port ?? 0), out var claim) && claim.Peer.May(role);
    }

    /// <summary>From now on this is the cluster.</summary>
    public void See(Cluster cluster) => _cluster = cluster;

    /// <inheritdoc/>
    bool IClusterSight.IsReady => _cluster is not null;

    /// <inheritdoc/>
    bool IClusterSight.IsLearner(Peer peer) =>
        _cluster?.State.Members.Any(member =>
            (member.Address.Host, member.Address.Port) == (peer.Host, peer.Port)
            && member.UniqueAddress.Uid == peer.Uid
            && member.HasRole(ClusterRoles.Learner)
        ) == true;

    /// <inheritdoc/>
    IEnumerable<LearnerInSight> IClusterSight.LiveLearners() =>
        _cluster is not { } cluster
            ? []
            : cluster
                .State.Members.Where(member =>
                    member.HasRole(ClusterRoles.Learner)
                    && member.Status is MemberStatus.Joining or MemberStatus.WeaklyUp or MemberStatus.Up
                    && (
                        member.Address.Equals(cluster.SelfAddress)
                        || (cluster.FailureDetector.IsMonitoring(member.Address) && cluster.FailureDetector.IsAvailable(member.Address))
                    )
                )
                .Select(member => new LearnerInSight(member.Address, member.UniqueAddress.Uid));

    // A listener on both families sees IPv4 addresses as mapped ones.
    private static string Key(string connection) =>
        !IPEndPoint.TryParse(connection, out var endpoint) ? connection
        : endpoint.Address.IsIPv4MappedToIPv6 ? $"{endpoint.Address.MapToIPv4()}:{endpoint.Port}"
        : endpoint.ToString();
}
