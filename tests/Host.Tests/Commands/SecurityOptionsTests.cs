using System.Collections;
using System.CommandLine;
using DfPO.Actors.Configuration;
using DfPO.Actors.Security;
using DfPO.Host.Commands;
using DfPO.Host.Composition;
using DfPO.Host.Configuration;

namespace DfPO.Host.Tests.Commands;

/// <summary>Where certificates come from: the command that makes them, the command line and the experiment that name them.</summary>
public sealed class SecurityOptionsTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Certificates_are_made_as_nodes_take_them_and_an_authority_is_kept()
    {
        Assert.Equal(
            0,
            await CommandLine.Invoke([
                "certs",
                "--out",
                _folder["certs"],
                "--name",
                "learner",
                "--name",
                "worker",
                "--host",
                "10.1.2.3",
                "--role",
                "learner",
                "--days",
                "7",
            ])
        );
        Assert.Equal(
            ["ca.key", "ca.pem", "learner.key", "learner.pem", "worker.key", "worker.pem"],
            Directory.GetFiles(_folder["certs"]).Select(Path.GetFileName).Order()
        );
        var authority = File.ReadAllText(_folder["certs/ca.pem"]);
        Assert.Equal(0, await CommandLine.Invoke(["certs", "--out", _folder["certs"], "--name", "late", "--role", "rollout", "reward"]));
        Assert.Equal(authority, File.ReadAllText(_folder["certs/ca.pem"]));
        var identity = NodeIdentity.Load(Files("learner"), "10.1.2.3");
        Assert.InRange((identity.Certificate.NotAfter - DateTime.Now).TotalDays, 6.5, 7.5);
        Assert.Equal(2, await CommandLine.Invoke(["certs", "--out", _folder["certs"], "--name", "../late", "--role", "rollout"]));
        Assert.Equal(["rollout", "reward"], NodeCertificate.Of(NodeIdentity.Load(Files("late"), "localhost").Certificate).Roles);
        Assert.Equal(2, await CommandLine.Invoke(["certs", "--out", _folder["certs"]]));
        Assert.Equal(2, await CommandLine.Invoke(["certs", "--out", _folder["certs"], "--role", "king"]));
        Assert.Equal(2, await CommandLine.Invoke(["certs", "--out", _folder["certs"], "--role", "rollout", "--days", "0"]));
    }

    [Theory]
    [InlineData("")]
    [InlineData("--tls-ca a --tls-cert b --tls-key c")]
    [InlineData("--tls-ca a", "usage/tls")]
    [InlineData("--tls-cert b --tls-key c", "usage/tls")]
    public void All_three_files_are_given_or_none(string line, string? code = null)
    {
        var (files, command) = (new TlsFileOptions(), new Command("node"));
        files.AddTo(command);
        if (code is not null)
            Assert.Equal(code, CodeOf(() => files.Read(command.Parse(line)), "--tls-ca, --tls-cert and --tls-key"));
        else
            Assert.Equal(
                line.Length == 0
                    ? new TlsOptions()
                    : new TlsOptions
                    {
                        Ca = "a",
                        Certificate = "b",
                        Key = "c",
                    },
                files.Read(command.Parse(line))
            );
    }

    [Fact]
    public void Run_and_worker_take_them() =>
        Assert.All(new[] { "run", "worker --join a:1" }, line =>
            Assert.Empty(CommandLine.Root().Parse($"{line} --tls-ca a --tls-cert b --tls-key c").Errors)
        );

    [Fact]
    public void An_experiment_names_all_three_files_or_none()
    {
        ExperimentConfig Read(string tls) =>
            ExperimentFile.Bind(_folder.Write("tls.conf", tls), [], new Hashtable(), path =>
                path.EndsWith(".conf", StringComparison.Ordinal) ? path : $"/resolved/{path}"
            );
        Assert.Equal(
            new TlsOptions
            {
                Ca = "/resolved/a",
                Certificate = "/resolved/b",
                Key = "/resolved/c",
            },
            Read("cluster.tls { ca = a, certificate = b, key = c }").Cluster.Tls
        );
        Assert.True(Read("").Cluster.Tls.IsEmpty);
        var half = ExperimentFile.Load(ExperimentFile.Default) with { Cluster = new ClusterConfig { Tls = new TlsOptions { Ca = "a" } } };
        Assert.Equal("config/tls", CodeOf(() => ExperimentValidation.Checked(half), "cluster.tls", "dfpo certs"));
    }

    [Theory]
    [InlineData("127.0.0.1", 0)]
    [InlineData("::1", 0)]
    [InlineData("192.0.2.1", 1)]
    public void An_open_address_without_certificates_is_warned_of_in_one_line(string host, int lines)
    {
        using var warnings = new StringWriter();
        Assert.Null(new NodeOptions { Host = host }.LoadIdentity(warnings));
        Assert.Equal(lines, warnings.ToString().Count(c => c == '\n'));
    }

    private TlsOptions Files(string name) =>
        new()
        {
            Ca = _folder["certs/ca.pem"],
            Certificate = _folder[$"certs/{name}.pem"],
            Key = _folder[$"certs/{name}.key"],
        };
}
