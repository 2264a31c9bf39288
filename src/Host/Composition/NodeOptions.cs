using System.Net;
using System.Net.Sockets;
using DfPO.Actors.Configuration;
using DfPO.Actors.Security;
using DfPO.Models;

namespace DfPO.Host.Composition;

/// <summary>Where a process listens. Everything is bound to loopback unless told otherwise.</summary>
public sealed record NodeOptions
{
    /// <summary>Name or address that others reach this process at.</summary>
    public string Host { get; init; } = "127.0.0.1";

    /// <summary>Address to listen at; empty takes that of <see cref="Host"/>.</summary>
    public string Bind { get; init; } = "";

    /// <summary>Port of Akka remoting; 0 picks a free one.</summary>
    public int Port { get; init; }

    /// <summary>Port of the bulk channel; 0 picks a free one.</summary>
    public int BulkPort { get; init; }

    /// <summary>Health and logging.</summary>
    public NodeWatch Watch { get; init; } = new();

    /// <summary>Files of mutual TLS; empty for plain connections.</summary>
    public TlsOptions Tls { get; init; } = new();

    /// <summary>Resolves the address to listen at, and makes sure that the ports can be bound.</summary>
    /// <exception cref="DfpoException"><c>host/address</c> or <c>host/port-in-use</c>.</exception>
    public IPAddress Checked()
    {
        var address = Address();
        foreach (var (port, option) in new[] { (Port, "--port"), (BulkPort, "--bulk-port"), (Watch.HealthPort ?? 0, "--health-port") })
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
                    $"{address}:{port} cannot be bound ({e.Message}): another run may hold it, and '{option}' chooses another, or it is no address of this machine, and '--bind 0.0.0.0' listens at all that are.",
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
        if (Address() is var address && !IPAddress.IsLoopback(address))
            warnings.WriteLine(
                $"dfpo: warning: {address} is open to the network without TLS: whoever reaches it can read the weights and disturb the run. See 'dfpo certs'."
            );
        return null;
    }

    /// <summary>An address that this process listens at, as others reach it.</summary>
    /// <param name="url">Of a port on this machine.</param>
    public string Announced(string url) => new UriBuilder(url) { Host = Host }.Uri.GetLeftPart(UriPartial.Authority);

    private IPAddress Address()
    {
        if (Uri.CheckHostName(Host) is not (UriHostNameType.Dns or UriHostNameType.IPv4 or UriHostNameType.IPv6))
            throw new DfpoException(
                "host/address",
                $"'--host {Host}' is neither a name nor an IP address: give what other machines reach this one at, or 127.0.0.1."
            );
        if (Bind.Length > 0)
            return IPAddress.TryParse(Bind, out var bound)
                ? bound
                : throw new DfpoException(
                    "host/address",
                    $"'--bind {Bind}' is not an IP address: give one of this machine's, or 0.0.0.0 for all of them."
                );
        if (IPAddress.TryParse(Host, out var address))
            return address;
        try
        {
            return Dns.GetHostAddresses(Host, AddressFamily.InterNetwork).First();
        }
        catch (Exception e) when (e is SocketException or InvalidOperationException)
        {
            throw new DfpoException(
                "host/address",
                $"The name '--host {Host}' has no address here: give the one to listen at with '--bind', for instance 0.0.0.0.",
                e
            );
        }
    }
}
