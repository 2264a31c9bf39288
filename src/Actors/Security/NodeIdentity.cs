using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using DfPO.Actors.Configuration;
using DfPO.Models;

namespace DfPO.Actors.Security;

/// <summary>
/// A node's certificate, and the private authority whose certificates it accepts from others. Every node is client and server of both
/// planes, so there is one rule for all connections: a certificate of this authority, for clients and servers, that names the address that
/// was dialled.
/// </summary>
public sealed class NodeIdentity
{
    // Both are asked of both sides: a certificate of a web server, by the same authority, is no node.
    internal static readonly Oid ServerAuthentication = new("1.3.6.1.5.5.7.3.1"),
        ClientAuthentication = new("1.3.6.1.5.5.7.3.2");
    private readonly X509Certificate2Collection _authorities;

    private NodeIdentity(X509Certificate2 certificate, X509Certificate2Collection authorities) =>
        (Certificate, _authorities) = (certificate, authorities);

    /// <summary>Own certificate with its private key.</summary>
    public X509Certificate2 Certificate { get; }

    /// <summary>Reads the files and makes sure that peers with the same authority will accept this node.</summary>
    /// <param name="options">All three files.</param>
    /// <param name="host">Address that others reach this node at, which the certificate must name.</param>
    /// <exception cref="DfpoException"><c>tls/file</c>, <c>tls/certificate</c> or <c>tls/host</c>, naming file and fix.</exception>
    public static NodeIdentity Load(TlsOptions options, string host)
    {
        var identity = new NodeIdentity(LoadOwn(options.Certificate, options.Key), LoadAuthorities(options.Ca));
        if (identity.Refusal(identity.Certificate, null, SslPolicyErrors.None) is { } reason)
            throw new DfpoException(
                "tls/certificate",
                $"Peers would refuse '{options.Certificate}': {reason}. Use a certificate that '{options.Ca}' has signed; 'dfpo certs' makes one."
            );
        if (!NodeCertificate.Of(identity.Certificate).Names(host))
            throw new DfpoException(
                "tls/host",
                $"'{options.Certificate}' is for {Names(identity.Certificate)}, not for '--host {host}': peers would refuse this node. Make one with 'dfpo certs --host {host}'."
            );
        return identity;
    }

    /// <summary>Why a peer is not let in; null when it is.</summary>
    /// <param name="peer">The certificate that it shows.</param>
    /// <param name="presented">The chain that came with it, for intermediate authorities.</param>
    /// <param name="errors">What the platform found; its verdict on the authority is not asked, because ours is private.</param>
    /// <param name="role">What its certificate must say that it may be; null for any role.</param>
    public string? Refusal(X509Certificate2? peer, X509Chain? presented, SslPolicyErrors errors, string? role = null)
    {
        if (peer is null)
            return "it shows no certificate";
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(_authorities);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.ApplicationPolicy.Add(ServerAuthentication);
        chain.ChainPolicy.ApplicationPolicy.Add(ClientAuthentication);
        foreach (var element in presented?.ChainElements ?? Enumerable.Empty<X509ChainElement>())
            chain.ChainPolicy.ExtraStore.Add(element.Certificate);
        if (!chain.Build(peer))
            return $"certificate '{peer.Subject}' by '{peer.Issuer}', valid until {peer.NotAfter:yyyy-MM-dd}, is not accepted ({string.Join("; ", chain.ChainStatus.Select(status => status.StatusInformation.Trim()).Distinct())})";
        if (Lacks(peer) is { } lack)
            return $"certificate '{peer.Subject}' {lack}";
        if (role is not null && !NodeCertificate.Of(peer).May(role))
            return $"certificate '{peer.Subject}' does not say that it may be a {role}";
        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch))
            return $"certificate '{peer.Subject}' is for {Names(peer)}, not for the address that was dialled";
        return null;
    }

    /// <summary>
    /// What a node's certificate must say for itself: a chain accepts one without usages for every use, and one without alternative names
    /// by its subject.
    /// </summary>
    private static string? Lacks(X509Certificate2 certificate)
    {
        var usages = certificate
            .Extensions.OfType<X509EnhancedKeyUsageExtension>()
            .SelectMany(extension => extension.EnhancedKeyUsages.Cast<Oid>());
        if (new[] { ServerAuthentication, ClientAuthentication }.Any(needed => usages.All(usage => usage.Value != needed.Value)))
            return "does not say that it is for servers and for clients (extended key usage)";
        var node = NodeCertificate.Of(certificate);
        if (node.Hosts.Count == 0)
            return "names no address (subject alternative names)";
        return node.Roles.Any(ClusterRoles.All.Contains)
            ? null
            : "says no role of a node; 'dfpo certs --role' makes one that does";
    }

    private static string Names(X509Certificate2 certificate) => string.Join(", ", NodeCertificate.Of(certificate).Hosts);

    private static X509Certificate2Collection LoadAuthorities(string file)
    {
        const string what = "a PEM file with the authority's certificate";
        var authorities = Read(file, what, () =>
        {
            var read = new X509Certificate2Collection();
            read.ImportFromPem(File.ReadAllText(file));
            return read;
        });
        return authorities.Count > 0 ? authorities : throw Unreadable(file, "it holds no certificate", what);
    }

    private static X509Certificate2 LoadOwn(string file, string key)
    {
        using (Read(file, "a PEM file with this node's certificate", () => X509CertificateLoader.LoadCertificateFromFile(file)))
        {
            var own = Read(key, $"the PEM file with the private key of '{file}', not encrypted", () =>
                X509Certificate2.CreateFromPem(File.ReadAllText(file), File.ReadAllText(key))
            );
            if (!OperatingSystem.IsWindows())
                return own;
            // Windows' TLS takes no key that lives in memory only.
            using (own)
                return X509CertificateLoader.LoadPkcs12(own.Export(X509ContentType.Pkcs12), null);
        }
    }

    private static T Read<T>(string file, string what, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
        {
            throw Unreadable(file, e.Message, what, e);
        }
    }

    private static DfpoException Unreadable(string file, string problem, string what, Exception? cause = null) =>
        new("tls/file", $"'{file}' cannot be used ({problem.TrimEnd('.')}): give {what}.", cause);
}
