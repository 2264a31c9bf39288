using DfPO.Actors.Security.Wire;

namespace DfPO.Actors.Security;

/// <summary>The node at the other end of a connection, as its handshake says and its certificate allows.</summary>
/// <param name="System">Name of its actor system.</param>
/// <param name="Host">Host that it is reached at.</param>
/// <param name="Port">Port that it is reached at.</param>
/// <param name="Uid">Number of its incarnation.</param>
/// <param name="Certificate">What it proved to own; null without TLS.</param>
internal sealed record Peer(string System, string Host, int Port, int Uid, NodeCertificate? Certificate)
{
    /// <summary>What follows the protocol in the addresses of its actors.</summary>
    private string Prefix { get; } = $"://{System}@{Host}:{Port}/";

    /// <summary>Whether it may do a role's work: without TLS, where nobody vouches for anything, it may.</summary>
    public bool May(string role) => Certificate?.May(role) ?? true;

    /// <summary>Whether an address is its own.</summary>
    public bool Is(NodeAddress? address) =>
        address is not null && (address.System, address.Host, (int)address.Port) == (System, Host, Port);

    /// <summary>Whether an incarnation is its own.</summary>
    public bool Is(Incarnation? node) => node is not null && Is(node.Address) && (int)node.Uid == Uid;

    /// <summary>Whether an actor, by its path with an address, is its own.</summary>
    public bool Owns(string? path) =>
        path?.IndexOf("://", StringComparison.Ordinal) is >= 0 and var at && path.AsSpan(at).StartsWith(Prefix, StringComparison.Ordinal);

    /// <inheritdoc/>
    public override string ToString() => Certificate is null ? $"{Host}:{Port}" : $"{Host}:{Port} ('{Certificate.Subject}')";
}
