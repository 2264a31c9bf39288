using System.Net;
using System.Net.Sockets;
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

    /// <summary>Resolves the address and makes sure that the ports can be bound.</summary>
    /// <exception cref="DfpoException"><c>host/address</c> or <c>host/port-in-use</c>.</exception>
    public IPAddress Checked()
    {
        if (!IPAddress.TryParse(Host, out var address))
            throw new DfpoException("host/address", $"'--host {Host}' is not an IP address: give the address that other machines reach this one at, or 127.0.0.1.");
        foreach (var (port, option) in new[] { (Port, "--port"), (BulkPort, "--bulk-port") })
        {
            try
            {
                using var probe = new TcpListener(address, port);
                probe.Start();
            }
            catch (SocketException e)
            {
                throw new DfpoException("host/port-in-use", $"{Host}:{port} cannot be bound ({e.Message}): another run may hold it; choose another with '{option}', or 0 for a free one.", e);
            }
        }
        return address;
    }
}
