using System.Formats.Asn1;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace DfPO.Actors.Security;

/// <summary>
/// What a certificate says of a node: addresses, and roles as URIs <c>urn:dfpo:role:NAME</c>, all among its subject alternative names. The
/// subject itself is for people only.
/// </summary>
/// <param name="Subject">Distinguished name.</param>
/// <param name="Thumbprint">SHA-256 of the whole, which tells certificates apart.</param>
/// <param name="Serial">Serial number, upper-case hexadecimal.</param>
/// <param name="Hosts">IP addresses and DNS names.</param>
/// <param name="Roles">Roles; empty where it says none.</param>
public sealed record NodeCertificate(
    string Subject,
    string Thumbprint,
    string Serial,
    IReadOnlyList<string> Hosts,
    IReadOnlyList<string> Roles
)
{
    private const string RolePrefix = "urn:dfpo:role:";
    private static readonly Asn1Tag s_uri = new(TagClass.ContextSpecific, 6);

    /// <summary>The URI of a role.</summary>
    public static Uri RoleUri(string role) => new(RolePrefix + role);

    /// <summary>Reads a certificate; what cannot be read says nothing.</summary>
    public static NodeCertificate Of(X509Certificate2 certificate)
    {
        List<string> hosts = [],
            roles = [];
        try
        {
            foreach (var extension in certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>())
            {
                hosts.AddRange(extension.EnumerateIPAddresses().Select(address => address.ToString()));
                hosts.AddRange(extension.EnumerateDnsNames());
                roles.AddRange(
                    Uris(extension.RawData)
                        .Where(uri => uri.StartsWith(RolePrefix, StringComparison.Ordinal))
                        .Select(uri => uri[RolePrefix.Length..])
                );
            }
        }
        catch (Exception e) when (e is AsnContentException or CryptographicException)
        {
            (hosts, roles) = ([], []);
        }
        return new(
            certificate.Subject,
            Convert.ToHexString(certificate.GetCertHash(HashAlgorithmName.SHA256)),
            certificate.SerialNumber,
            hosts,
            roles
        );
    }

    /// <summary>Whether it names a host, which may be an IPv6 address in brackets. There are no wildcards.</summary>
    public bool Names(string host)
    {
        host = host.Trim('[', ']');
        return IPAddress.TryParse(host, out var address)
            ? Hosts.Any(name => IPAddress.TryParse(name, out var named) && named.Equals(address))
            : Hosts.Contains(host, StringComparer.OrdinalIgnoreCase);
    }

    /// <summary>Whether its owner may do a role's work; a learner, which starts workers of its own, all of it.</summary>
    public bool May(string role) => Roles.Contains(role) || Roles.Contains(ClusterRoles.Learner);

    private static IEnumerable<string> Uris(byte[] alternativeNames)
    {
        var names = new AsnReader(alternativeNames, AsnEncodingRules.DER).ReadSequence();
        while (names.HasData)
            if (names.PeekTag().HasSameClassAndValue(s_uri))
                yield return names.ReadCharacterString(UniversalTagNumber.IA5String, s_uri);
            else
                names.ReadEncodedValue();
    }
}
