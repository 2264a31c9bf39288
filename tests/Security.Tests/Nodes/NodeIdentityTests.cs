using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using DfPO.Actors;
using DfPO.Actors.Configuration;
using DfPO.Actors.Security;
using DfPO.Models;
using Microsoft.Extensions.Time.Testing;

namespace DfPO.Security.Tests.Nodes;

public sealed class NodeIdentityTests : IDisposable
{
    private static readonly string[] s_loopback = ["127.0.0.1", "localhost"];
    private readonly TestFolder _folder = new();
    private readonly CertificateAuthority _authority;
    private readonly TlsOptions _files;

    public NodeIdentityTests()
    {
        _authority = CertificateAuthority.Open(_folder["ours"]);
        _files = _authority.Issue("node", s_loopback, ClusterRoles.All, 30);
    }

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("localhost")]
    public void A_node_of_the_authority_is_accepted_at_the_addresses_that_it_names(string host)
    {
        var identity = NodeIdentity.Load(_files, host);
        Assert.Null(identity.Refusal(identity.Certificate, null, SslPolicyErrors.RemoteCertificateChainErrors));
        Assert.Contains(
            "127.0.0.1, localhost",
            identity.Refusal(identity.Certificate, null, SslPolicyErrors.RemoteCertificateNameMismatch)
        );
    }

    [Fact]
    public void A_stranger_is_not()
    {
        var identity = NodeIdentity.Load(_files, "127.0.0.1");
        using var stranger = X509CertificateLoader.LoadCertificateFromFile(
            CertificateAuthority.Open(_folder["theirs"]).Issue("node", s_loopback, ClusterRoles.All, 30).Certificate
        );
        Assert.Contains("not accepted", identity.Refusal(stranger, null, SslPolicyErrors.None));
        Assert.Contains("no certificate", identity.Refusal(null, null, SslPolicyErrors.RemoteCertificateNotAvailable));
    }

    [Fact]
    public void Nor_is_the_authority_itself_or_a_certificate_that_serves_the_web_only()
    {
        var identity = NodeIdentity.Load(_files, "127.0.0.1");
        using var authority = X509CertificateLoader.LoadCertificateFromFile(_files.Ca);
        using var signer = X509Certificate2.CreateFromPemFile(_files.Ca, _folder["ours/ca.key"]);
        using var key = System.Security.Cryptography.ECDsa.Create();
        var request = new CertificateRequest("CN=web", key, System.Security.Cryptography.HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new("1.3.6.1.5.5.7.3.1")], false));
        using var web = request.Create(signer, signer.NotBefore, DateTimeOffset.UtcNow.AddDays(1), [1, 2, 3]);
        Assert.NotNull(identity.Refusal(web, null, SslPolicyErrors.None));
    }

    [Fact]
    public void A_certificate_that_has_run_out_is_refused_at_the_start()
    {
        var past = new FakeTimeProvider(DateTimeOffset.UtcNow.AddDays(-100));
        var files = CertificateAuthority.Open(_folder["past"], time: past).Issue("node", s_loopback, ClusterRoles.All, 30);
        Assert.Equal(
            "tls/certificate",
            DfpoAssert.CodeOf(() => NodeIdentity.Load(files, "127.0.0.1"), "node.pem", "valid until", "dfpo certs")
        );
    }

    [Fact]
    public void A_certificate_of_another_authority_is_refused_at_the_start()
    {
        var theirs = CertificateAuthority.Open(_folder["theirs"]).Issue("node", s_loopback, ClusterRoles.All, 30);
        Assert.Equal(
            "tls/certificate",
            DfpoAssert.CodeOf(() => NodeIdentity.Load(theirs with { Ca = _files.Ca }, "127.0.0.1"), "node.pem", "ca.pem")
        );
    }

    [Fact]
    public void A_certificate_that_does_not_name_the_host_is_refused_at_the_start() =>
        Assert.Equal(
            "tls/host",
            DfpoAssert.CodeOf(() => NodeIdentity.Load(_files, "10.0.0.5"), "node.pem", "127.0.0.1, localhost", "--host 10.0.0.5")
        );

    [Fact]
    public void Files_that_cannot_be_used_are_named_with_what_they_should_be()
    {
        var other = _authority.Issue("other", s_loopback, ClusterRoles.All, 30);
        var encrypted = _folder.Write(
            "encrypted.key",
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"
        );
        var text = _folder.Write("text", "this is not PEM");
        void Refused(TlsOptions files, params string[] words) =>
            Assert.Equal("tls/file", DfpoAssert.CodeOf(() => NodeIdentity.Load(files, "127.0.0.1"), words));
        Refused(_files with { Ca = _folder["nowhere"] }, "nowhere", "authority");
        Refused(_files with { Ca = text }, text, "no certificate");
        Refused(_files with { Certificate = _folder["nowhere"] }, "nowhere", "this node's certificate");
        Refused(_files with { Certificate = text }, text, "this node's certificate");
        Refused(_files with { Key = _folder["nowhere"] }, "nowhere", "private key");
        Refused(_files with { Key = encrypted }, encrypted, "not encrypted");
        Refused(_files with { Key = other.Key }, "other.key", "private key of");
    }

    [Fact]
    public void An_authority_is_kept_unless_it_is_to_be_replaced()
    {
        var before = File.ReadAllText(_files.Ca);
        var second = CertificateAuthority.Open(_folder["ours"]).Issue("second", s_loopback, ClusterRoles.All, 30);
        Assert.Equal(before, File.ReadAllText(_files.Ca));
        NodeIdentity.Load(second, "localhost");
        CertificateAuthority.Open(_folder["ours"], replace: true);
        Assert.NotEqual(before, File.ReadAllText(_files.Ca));
        Assert.Equal("tls/certificate", DfpoAssert.CodeOf(() => NodeIdentity.Load(_files, "localhost")));
        File.Delete(_folder["ours/ca.key"]);
        Assert.Equal("certs/authority", DfpoAssert.CodeOf(() => CertificateAuthority.Open(_folder["ours"]), "ca.key", "--new-ca"));
    }

    [Fact]
    public void Private_keys_are_their_owners_alone()
    {
        if (OperatingSystem.IsWindows())
            Assert.Skip("Windows has no modes.");
        else
            foreach (var file in new[] { _folder["ours/ca.key"], _files.Key })
                Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        Assert.DoesNotContain(Directory.GetFiles(_folder["ours"]), file => file.EndsWith(".partial", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("ca", "127.0.0.1", 1)]
    [InlineData("../node", "127.0.0.1", 1)]
    [InlineData("", "127.0.0.1", 1)]
    [InlineData("node", "not a host", 1)]
    [InlineData("node", null, 1)]
    [InlineData("node", "127.0.0.1", 0)]
    [InlineData("node", "127.0.0.1", 100000)]
    public void What_cannot_be_signed_is_refused(string name, string? host, int days) =>
        Assert.Equal("certs/options", DfpoAssert.CodeOf(() => _authority.Issue(name, host is null ? [] : [host], ClusterRoles.All, days)));
}
