using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using DfPO.Actors.Configuration;
using DfPO.Models;

namespace DfPO.Actors.Security;

/// <summary>
/// A private authority in a folder (<c>ca.pem</c>, <c>ca.key</c>) that signs node certificates (<c>NAME.pem</c>, <c>NAME.key</c>). For
/// tests and small clusters.
/// </summary>
public sealed class CertificateAuthority
{
    private const string Name = "ca";
    private static readonly TimeSpan s_life = TimeSpan.FromDays(3650),
        s_clockSkew = TimeSpan.FromHours(1);
    private readonly string _folder;
    private readonly X509Certificate2 _certificate;
    private readonly DateTimeOffset _now;

    private CertificateAuthority(string folder, X509Certificate2 certificate, DateTimeOffset now) =>
        (_folder, _certificate, _now) = (folder, certificate, now);

    /// <summary>The authority's certificate, which every node needs.</summary>
    public string CertificateFile => CertificatePath(_folder, Name);

    /// <summary>Takes the folder's authority, or makes one where there is none.</summary>
    /// <param name="folder">Folder, which is made.</param>
    /// <param name="replace">Makes a new one even so: nodes with certificates of the old one are shut out.</param>
    /// <param name="time">Clock; the system's when null.</param>
    /// <exception cref="DfpoException"><c>certs/authority</c>: only half of it is there, or it cannot be read.</exception>
    public static CertificateAuthority Open(string folder, bool replace = false, TimeProvider? time = null)
    {
        var now = (time ?? TimeProvider.System).GetUtcNow();
        var (certificate, key) = (CertificatePath(folder, Name), KeyPath(folder, Name));
        if (replace || (!File.Exists(certificate) && !File.Exists(key)))
            return new(folder, Create(folder, now), now);
        try
        {
            return new(folder, X509Certificate2.CreateFromPemFile(certificate, key), now);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new DfpoException(
                "certs/authority",
                $"The authority of '{folder}' cannot sign ({e.Message.TrimEnd('.')}): both {Name}.pem and {Name}.key are needed. Restore them, choose another folder, or replace the authority with '--new-ca'.",
                e
            );
        }
    }

    /// <summary>Signs a node's certificate for both directions of a connection; one of the same name is replaced.</summary>
    /// <param name="name">Letters, digits, '-', '_' and '.'; the files' name and the certificate's.</param>
    /// <param name="hosts">IP addresses and DNS names at which others reach the node.</param>
    /// <param name="roles">What the node may be, of <see cref="ClusterRoles.All"/>.</param>
    /// <param name="days">Days that it is valid for.</param>
    /// <returns>Files as a node takes them.</returns>
    /// <exception cref="DfpoException"><c>certs/options</c>: a name, an address, a role or a number of days that cannot be.</exception>
    public TlsOptions Issue(string name, IReadOnlyList<string> hosts, IReadOnlyList<string> roles, int days)
    {
        if (name is "" or Name || name[0] == '.' || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.'))
            throw new DfpoException(
                "certs/options",
                $"'{name}' cannot be a node's name: use letters, digits, '-', '_' and '.', and not '{Name}', which is the authority's."
            );
        var until = _now.AddDays(days);
        if (days < 1 || until > _certificate.NotAfter)
            throw new DfpoException(
                "certs/options",
                $"A certificate for {days} days cannot be made: at least 1, and the authority's own ends at {_certificate.NotAfter:yyyy-MM-dd}."
            );
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = Request(name, key);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
        request.CertificateExtensions.Add(
            new X509EnhancedKeyUsageExtension([NodeIdentity.ServerAuthentication, NodeIdentity.ClientAuthentication], false)
        );
        request.CertificateExtensions.Add(AlternativeNames(hosts, roles));
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(_certificate, true, false));
        var serial = RandomNumberGenerator.GetBytes(16);
        serial[0] = (byte)((serial[0] & 0x7f) | 1);
        var from = _now - s_clockSkew;
        using var signed = request.Create(_certificate, from < _certificate.NotBefore ? _certificate.NotBefore : from, until, serial);
        Write(_folder, name, signed, key);
        return new TlsOptions
        {
            Ca = CertificateFile,
            Certificate = CertificatePath(_folder, name),
            Key = KeyPath(_folder, name),
        };
    }

    private static X509Certificate2 Create(string folder, DateTimeOffset now)
    {
        Directory.CreateDirectory(folder);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = Request($"dfpo authority {Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(4))}", key);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, true, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        var certificate = request.CreateSelfSigned(now - s_clockSkew, now + s_life);
        Write(folder, Name, certificate, key);
        return certificate;
    }

    private static CertificateRequest Request(string name, ECDsa key)
    {
        var subject = new X500DistinguishedNameBuilder();
        subject.AddCommonName(name);
        var request = new CertificateRequest(subject.Build(), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        return request;
    }

    private static X509Extension AlternativeNames(IReadOnlyList<string> hosts, IReadOnlyList<string> roles)
    {
        if (roles.Count == 0 || roles.FirstOrDefault(role => !ClusterRoles.All.Contains(role)) is not null)
            throw new DfpoException(
                "certs/options",
                $"A node's certificate says what the node may be: one or more of {string.Join(", ", ClusterRoles.All)}, not '{string.Join(", ", roles)}'."
            );
        var names = new SubjectAlternativeNameBuilder();
        foreach (var role in roles.Distinct())
            names.AddUri(NodeCertificate.RoleUri(role));
        foreach (var host in hosts)
            if (IPAddress.TryParse(host, out var address))
                names.AddIpAddress(address);
            else if (Uri.CheckHostName(host) == UriHostNameType.Dns)
                names.AddDnsName(host);
            else
                throw new DfpoException("certs/options", $"'{host}' is neither an IP address nor a DNS name.");
        return hosts.Count > 0
            ? names.Build()
            : throw new DfpoException("certs/options", "A node's certificate needs at least one address that others reach it at.");
    }

    /// <summary>The key first, so that a certificate is never there without one.</summary>
    private static void Write(string folder, string name, X509Certificate2 certificate, ECDsa key)
    {
        Write(KeyPath(folder, name), key.ExportPkcs8PrivateKeyPem(), UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Write(
            CertificatePath(folder, name),
            certificate.ExportCertificatePem(),
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead
        );
    }

    private static void Write(string path, string pem, UnixFileMode mode)
    {
        var partial = path + ".partial";
        File.Delete(partial);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = mode;
        using (var writer = new StreamWriter(partial, options))
            writer.WriteLine(pem);
        File.Move(partial, path, overwrite: true);
    }

    private static string CertificatePath(string folder, string name) => Path.Combine(folder, name + ".pem");

    private static string KeyPath(string folder, string name) => Path.Combine(folder, name + ".key");
}
