using System.Net;
using System.Net.Sockets;
using DfPO.Actors.Configuration;
using DfPO.Actors.Security;
using DfPO.Models;

namespace DfPO.Host.Composition;

/// <summary>Where a process listens. Everything is bound to loopback unless told otherwise.</summary>
public sealed record NodeOptions
{
    /// <summary>Address to bind and to be reached at.</summary>
    public string Host { get; init; } = "127.0.0.1";

    /// <summary>Port of Akka remoting; 0 picks a free one.</summary>
    public int Port { get; init; }

    /// <summary>Port of the bulk channel; 0 picks a free one.</summary>
    public int BulkPort { get; init; }

    /// <summary>Files of mutual TLS; empty for plain connections.</summary>
    public TlsOptions Tls { get; init; } = new();

    /// <summary>Resolves the address and makes sure that the ports can be bound.</summary>
    /// <exception cref="DfpoException"><c>host/address</c> or <c>host/port-in-use</c>.</exception>
    public IPAddress Checked()
    {
        if (!IPAddress.TryParse(Host, out var address))
            throw new DfpoException(
                "host/address",
                $"'--host {Host}' is not an IP address: give the address that other machines reach this one at, or 127.0.0.1."
            );
        foreach (var (port, option) in new[] { (Port, "--port"), (BulkPort, "--bulk-port") })
        {
            try
            {
                using var probe = new TcpListener(address, port);
                probe.Start();
            }
            catch (SocketException e)
            {
                throw new DfpoException(
                    "host/port-in-use",
                    $"{Host}:{port} cannot be bound ({e.Message}): another run may hold it; choose another with '{option}', or 0 for a free one.",
                    e
                );
            }
        }
        return address;
    }

    /// <summary>
    /// Certificate and authority of mutual TLS; null for plain connections, which are warned of once when others can reach them.
    /// </summary>
    /// <param name="warnings">Gets the line.</param>
    /// <exception cref="DfpoException"><c>tls/...</c>, naming file and fix.</exception>
    public NodeIdentity? LoadIdentity(TextWriter warnings)
    {
        if (!Tls.IsEmpty)
            return NodeIdentity.Load(Tls, Host);
        if (IPAddress.TryParse(Host, out var address) && !IPAddress.IsLoopback(address))
            warnings.WriteLine(
                $"dfpo: warning: {Host} is open to the network without TLS: whoever reaches it can read the weights and disturb the run. See 'dfpo certs'."
            );
        return null;
    }
}
