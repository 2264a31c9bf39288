using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using DfPO.Models;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace DfPO.Actors.Security;

/// <summary>
/// Both ends of the bulk channel: who may speak, and how much. Plain HTTP without an identity, HTTPS with certificates on both sides with
/// one.
/// </summary>
public static class BulkChannel
{
    private const SslProtocols Protocols = SslProtocols.Tls12 | SslProtocols.Tls13;

    /// <summary>Listens for requests that have no body and are small.</summary>
    public static void ListenForBulk(this KestrelServerOptions kestrel, IPAddress address, int port, NodeIdentity? identity)
    {
        kestrel.AddServerHeader = false;
        var limits = kestrel.Limits;
        limits.MaxRequestBodySize = 0;
        // Under TLS, several of the pieces that weights are sent in: with Kestrel's own 64 KB copying and sending take turns, which costs a
        // quarter of the rate.
        limits.MaxResponseBufferSize = 4 << 20;
        limits.MaxRequestLineSize = 4 << 10;
        limits.MaxRequestHeaderCount = 32;
        limits.MaxRequestHeadersTotalSize = 8 << 10;
        limits.MaxConcurrentConnections = 1024;
        limits.MaxConcurrentUpgradedConnections = 0;
        limits.RequestHeadersTimeout = TimeSpan.FromSeconds(10);
        limits.KeepAliveTimeout = TimeSpan.FromMinutes(2);
        kestrel.Listen(address, port, listen =>
        {
            listen.Protocols = HttpProtocols.Http1;
            if (identity is null)
            {
                listen.Use(next =>
                    connection =>
                    {
                        SocketOutput.Attach(connection);
                        return next(connection);
                    }
                );
                return;
            }
            listen.UseHttps(
                new HttpsConnectionAdapterOptions
                {
                    ServerCertificate = identity.Certificate,
                    SslProtocols = Protocols,
                    ClientCertificateMode = ClientCertificateMode.RequireCertificate,
                    ClientCertificateValidation = (certificate, chain, errors) => identity.Refusal(certificate, chain, errors) is null,
                    CheckCertificateRevocation = false,
                    HandshakeTimeout = TimeSpan.FromSeconds(10),
                }
            );
        });
    }

    /// <summary>Whether the client of a request may do a role's work; without TLS anyone may.</summary>
    public static bool May(this ConnectionInfo client, string role) =>
        client.ClientCertificate is not { } certificate || NodeCertificate.Of(certificate).May(role);

    /// <summary>What a client sends its requests through.</summary>
    /// <param name="identity">This node's; null for plain HTTP.</param>
    /// <param name="connectTimeout">Longest wait for a connection.</param>
    /// <param name="role">What the server's certificate must say that it may be.</param>
    /// <returns>A handler whose TLS failures are <see cref="DfpoException"/> <c>tls/bulk</c>, because no repetition mends them.</returns>
    public static HttpMessageHandler CreateHandler(NodeIdentity? identity, TimeSpan connectTimeout, string role)
    {
        var sockets = new SocketsHttpHandler
        {
            ConnectTimeout = connectTimeout,
            AllowAutoRedirect = false,
            UseCookies = false,
            UseProxy = false,
            MaxResponseHeadersLength = 16,
        };
        if (identity is null)
            return sockets;
        sockets.SslOptions = new SslClientAuthenticationOptions
        {
            EnabledSslProtocols = Protocols,
            LocalCertificateSelectionCallback = (_, _, _, _, _) => identity.Certificate,
            RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
                identity.Refusal(certificate as X509Certificate2, chain, errors, role) is { } reason
                    ? throw new AuthenticationException(reason)
                    : true,
        };
        return new TlsFailures { InnerHandler = sockets };
    }

    private sealed class TlsFailures : DelegatingHandler
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            try
            {
                return await base.SendAsync(request, cancellationToken);
            }
            catch (HttpRequestException e) when (e.HttpRequestError == HttpRequestError.SecureConnectionError)
            {
                throw new DfpoException(
                    "tls/bulk",
                    $"No TLS connection to {request.RequestUri?.GetLeftPart(UriPartial.Authority)}: {e.GetBaseException().Message.TrimEnd('.')}. Both nodes need certificates of the same authority.",
                    e
                );
            }
        }
    }
}
