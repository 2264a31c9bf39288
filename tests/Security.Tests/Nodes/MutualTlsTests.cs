using System.Net;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Cluster;
using Akka.Configuration;
using Akka.Remote.Transport.DotNetty;
using DfPO.Actors;
using DfPO.Actors.Clustering;
using DfPO.Actors.Configuration;
using DfPO.Actors.Security;
using DfPO.Actors.Weights;
using DfPO.Actors.Work;
using DfPO.Models;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;

namespace DfPO.Security.Tests.Nodes;

/// <summary>Real connections on loopback: who has no certificate of the cluster's authority gets neither in nor weights.</summary>
public sealed class MutualTlsTests : IDisposable
{
    private readonly TestFolder _folder = new();
    private readonly NodeIdentity _ours;
    private readonly NodeIdentity _theirs;

    public MutualTlsTests() => (_ours, _theirs) = (Identity("ours"), Identity("theirs"));

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_node_of_the_authority_joins_and_others_do_not()
    {
        await using var learner = await ClusterNode.Start(ClusterRoles.Learner, identity: _ours);
        Assert.Equal("akka.ssl.tcp", learner.Address.Protocol);
        // It trusts whoever it dials, so that it is the learner who must refuse it.
        using var stranger = ActorSystem.Create(
            DfpoClusterExtensions.SystemName,
            BootstrapSetup
                .Create()
                .WithConfig(
                    ConfigurationFactory.ParseString(
                        $$"""
                        akka { loglevel = OFF, stdout-loglevel = OFF, actor.provider = cluster
                          remote.dot-netty.tcp { hostname = 127.0.0.1, port = 0, enable-ssl = on }
                          cluster { seed-nodes = ["{{learner.Address}}"], seed-node-timeout = 1s } }
                        """
                    )
                )
                .And(new DotNettySslSetup(_theirs.Certificate, suppressValidation: true, requireMutualAuthentication: true))
        );
        await using var plain = await ClusterNode.Start(ClusterRoles.Rollout, learner.Address);
        await using var worker = await ClusterNode.Start(ClusterRoles.Rollout, learner.Address, _ours);
        await learner.Members(2);
        await ClusterNode.Eventually(() => learner.Log.Contains("CN=theirs", StringComparison.Ordinal), "the stranger is refused by name");
        await ClusterNode.Eventually(() => learner.Log.Contains("SSL/TLS record", StringComparison.Ordinal), "the plain node is refused");
        Assert.Equal(2, learner.Cluster.State.Members.Count);
        Assert.Empty(Cluster.Get(stranger).State.Members);
        Assert.Empty(plain.Cluster.State.Members);
        await stranger.Terminate();
    }

    [Fact]
    public async Task A_node_outlives_dialling_one_that_does_not_speak_TLS_and_still_stops_when_it_should()
    {
        var learner = await ClusterNode.Start(ClusterRoles.Learner, identity: _ours);
        await using (var plain = await ClusterNode.Start(ClusterRoles.Rollout))
        {
            learner
                .System.ActorSelection($"akka.ssl.tcp://dfpo@127.0.0.1:{plain.Address.Port}/user/nobody")
                .Tell(new WorkProtocol.LeaveQueue(new WorkerId("ann")));
            await ClusterNode.Eventually(
                () => CoordinatedShutdown.Get(learner.System).ShutdownReason is not null,
                "Akka starts its shutdown"
            );
        }
        await using (var worker = await ClusterNode.Start(ClusterRoles.Rollout, learner.Address, _ours))
            await learner.Members(2);
        await learner.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(20));
        await learner.System.WhenTerminated.WaitAsync(TimeSpan.FromSeconds(20));
    }

    [Fact]
    public async Task Weights_are_served_to_nodes_of_the_authority_and_to_nobody_else()
    {
        await using var server = await Serve(_ours);
        var url = $"{server.Urls.First()}/models/policy";
        Assert.StartsWith("https:", url);
        using (var client = new WeightsClient(_folder["scratch"], new WeightsClientOptions { Identity = _ours }))
            Assert.Equal("{}", await File.ReadAllTextAsync(Path.Combine(await client.FetchFolder(url, default), "config.json")));
        using (var client = new WeightsClient(_folder["scratch"], new WeightsClientOptions { Identity = _theirs }))
            Assert.Equal("tls/bulk", (await Assert.ThrowsAsync<DfpoException>(() => client.FetchFolder(url, default))).Code);

        // Clients that trust whom they dial, so that it is the server who must refuse them.
        foreach (var certificate in new[] { null, _theirs.Certificate })
        {
            using var http = new HttpClient(
                new SocketsHttpHandler
                {
                    SslOptions = new SslClientAuthenticationOptions
                    {
                        RemoteCertificateValidationCallback = (_, _, _, _) => true,
                        LocalCertificateSelectionCallback = certificate is null ? null : (_, _, _, _, _) => certificate,
                    },
                }
            );
            await Assert.ThrowsAnyAsync<HttpRequestException>(() => http.GetStringAsync(url));
        }
        using var unencrypted = new HttpClient();
        await Assert.ThrowsAnyAsync<HttpRequestException>(() =>
            unencrypted.GetStringAsync(url.Replace("https:", "http:", StringComparison.Ordinal))
        );
    }

    [Fact]
    public async Task Weights_are_not_taken_from_an_address_that_the_certificate_does_not_name()
    {
        await using var server = await Serve(_ours);
        using var client = new WeightsClient(_folder["scratch"], new WeightsClientOptions { Identity = _ours });
        var error = await Assert.ThrowsAsync<DfpoException>(() =>
            client.FetchFolder($"https://localhost:{new Uri(server.Urls.First()).Port}/models/policy", default)
        );
        Assert.Equal("tls/bulk", error.Code);
        Assert.Contains("is for 127.0.0.1", error.Message);
    }

    [Fact]
    public async Task Requests_with_a_body_or_with_endless_headers_are_refused()
    {
        await using var server = await Serve(null);
        using var http = new HttpClient();
        Assert.Equal(HttpStatusCode.OK, (await http.GetAsync($"{server.Urls.First()}/models/policy")).StatusCode);
        Assert.Equal(
            HttpStatusCode.RequestUriTooLong,
            (await http.GetAsync($"{server.Urls.First()}/models/{new string('a', 5000)}")).StatusCode
        );
        using var headers = new HttpRequestMessage(HttpMethod.Get, $"{server.Urls.First()}/models/policy");
        headers.Headers.Add("X-Long", new string('a', 9000));
        Assert.Equal(HttpStatusCode.RequestHeaderFieldsTooLarge, (await http.SendAsync(headers)).StatusCode);
        using var body = new HttpRequestMessage(HttpMethod.Post, $"{server.Urls.First()}/echo") { Content = new ByteArrayContent([1]) };
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, (await http.SendAsync(body)).StatusCode);
    }

    [Fact]
    public async Task What_keeps_a_node_out_is_told()
    {
        await using var secret = await ClusterNode.Start(ClusterRoles.Learner, identity: _ours);
        await using var open = await ClusterNode.Start(ClusterRoles.Learner);
        Task<DfpoException?> Obstacle(ClusterNode node, NodeIdentity? identity) =>
            JoinProbe.Obstacle("127.0.0.1", node.Address.Port!.Value, identity, default);
        Assert.Null(await Obstacle(secret, _ours));
        Assert.Null(await Obstacle(open, null));
        Assert.Null(await JoinProbe.Obstacle("127.0.0.1", 1, _ours, default));
        void Told(DfpoException? obstacle, string code, string word)
        {
            Assert.Equal(code, obstacle?.Code);
            Assert.Contains(word, obstacle!.Message);
        }
        Told(await Obstacle(secret, null), "tls/scheme", "speaks TLS");
        Told(await Obstacle(open, _ours), "tls/scheme", "does not speak TLS");
        Told(await Obstacle(secret, _theirs), "tls/refused", "This node does not trust");

        // A new authority that the learner has not heard of, while this node still knows the old one.
        var both = _folder.Write("both.pem", File.ReadAllText(_folder["ours/ca.pem"]) + File.ReadAllText(_folder["theirs/ca.pem"]));
        var moved = NodeIdentity.Load(
            new TlsOptions
            {
                Ca = both,
                Certificate = _folder["theirs/theirs.pem"],
                Key = _folder["theirs/theirs.key"],
            },
            "127.0.0.1"
        );
        Told(await Obstacle(secret, moved), "tls/refused", "refuses this node's certificate");
    }

    private NodeIdentity Identity(string name) =>
        NodeIdentity.Load(CertificateAuthority.Open(_folder[name]).Issue(name, ["127.0.0.1"], ClusterRoles.All, 1), "127.0.0.1");

    private async Task<WebApplication> Serve(NodeIdentity? identity)
    {
        _folder.Write("policy/config.json", "{}");
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenForBulk(IPAddress.Loopback, 0, identity));
        builder.Logging.ClearProviders();
        var server = builder.Build();
        server.MapWeights(new WeightsStore(), new Dictionary<string, string> { ["policy"] = _folder["policy"] });
        server.MapPost("/echo", async (Stream body) => await new StreamReader(body).ReadToEndAsync());
        await server.StartAsync();
        return server;
    }
}
