using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using DfPO.Models;

namespace DfPO.Actors.Security;

/// <summary>Finds out why a node is not let into a cluster, by a TLS handshake of its own: Akka tells this only in its log.</summary>
public static class JoinProbe
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);

    // Longer than a peer needs to refuse a certificate; one that accepts says nothing.
    private static readonly TimeSpan s_verdict = TimeSpan.FromSeconds(1);

    /// <summary>Looks for what no waiting mends.</summary>
    /// <param name="host">Host of a member.</param>
    /// <param name="port">Its cluster port.</param>
    /// <param name="identity">This node's; null when it speaks plainly.</param>
    /// <param name="cancellation">Ends the look.</param>
    /// <returns><c>tls/scheme</c> or <c>tls/refused</c>; null when nobody answers, or nothing speaks against joining.</returns>
    public static async Task<DfpoException?> Obstacle(string host, int port, NodeIdentity? identity, CancellationToken cancellation)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        deadline.CancelAfter(s_patience);
        using var client = new TcpClient();
        try
        {
            await client.ConnectAsync(host, port, deadline.Token);
            return await Handshake(client.GetStream(), $"{host}:{port}", host, identity, deadline.Token);
        }
        catch (Exception e) when (e is SocketException || (e is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            return null;
        }
    }

    private static async Task<DfpoException?> Handshake(
        Stream connection,
        string peer,
        string host,
        NodeIdentity? identity,
        CancellationToken deadline
    )
    {
        var (answered, reason) = (false, default(string));
        using var stream = new SslStream(connection, leaveInnerStreamOpen: false);
        var options = new SslClientAuthenticationOptions
        {
            TargetHost = host,
            LocalCertificateSelectionCallback = identity is null ? null : (_, _, _, _, _) => identity.Certificate,
            RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
            {
                answered = true;
                reason = identity?.Refusal(certificate as X509Certificate2, chain, errors);
                return identity is not null && reason is null;
            },
        };
        try
        {
            await stream.AuthenticateAsClientAsync(options, deadline);
            if (await stream.ReadAsync(new byte[1], deadline).AsTask().WaitAsync(s_verdict, deadline) > 0)
                return null;
        }
        catch (TimeoutException)
        {
            return null;
        }
        catch (Exception e) when (e is IOException or AuthenticationException)
        {
            // What happened is in the two variables.
        }
        if (identity is null)
            return answered
                ? new DfpoException(
                    "tls/scheme",
                    $"The cluster at {peer} speaks TLS: give this node '--tls-ca', '--tls-cert' and '--tls-key'."
                )
                : null;
        if (!answered)
            return new DfpoException(
                "tls/scheme",
                $"{peer} does not speak TLS: leave out '--tls-ca', '--tls-cert' and '--tls-key', or start the run with them."
            );
        return reason is null
            ? new DfpoException(
                "tls/refused",
                $"The node at {peer} refuses this node's certificate '{identity.Certificate.Subject}' by '{identity.Certificate.Issuer}': use one that its authority has signed."
            )
            : new DfpoException(
                "tls/refused",
                $"This node does not trust the node at {peer}: {reason}. Both need certificates of the same authority, see 'dfpo certs'."
            );
    }
}
