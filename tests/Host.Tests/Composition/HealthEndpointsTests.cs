using System.Net;
using System.Net.Sockets;
using Akka.Actor;
using Akka.Cluster;
using Akka.Hosting;
using DfPO.Actors;
using DfPO.Actors.Clustering;
using DfPO.Host.Composition;
using DfPO.Host.Telemetry;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace DfPO.Host.Tests.Composition;

public sealed class HealthEndpointsTests
{
    [Fact]
    public async Task A_process_lives_before_it_is_in_a_cluster_and_is_ready_once_it_is()
    {
        var cancellation = TestContext.Current.CancellationToken;
        var port = FreePort();
        var node = new NodeOptions { Watch = new NodeWatch { HealthPort = port, LogLevel = LogLevel.Critical } };
        using var telemetry = HostTelemetry.Start("run");
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, 0);
            kestrel.ListenForHealth(IPAddress.Loopback, port);
        });
        builder.AddDfpoNode(telemetry, node.Watch.LogLevel);
        builder.Services.AddAkka(DfpoClusterExtensions.SystemName, akka =>
            akka.WithDfpoNode(node, [ClusterRoles.Rollout], [], null, IPAddress.Loopback)
        );
        await using var app = builder.Build();
        app.MapHealth(port);
        app.MapGet("/models", () => "weights");
        await app.StartAsync(cancellation);
        using var client = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}") };
        async Task<HttpStatusCode> Ask(string path) => (await client.GetAsync(path, cancellation)).StatusCode;
        Assert.Equal(HttpStatusCode.OK, await Ask("/healthz"));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, await Ask("/readyz"));
        // Nothing else is served there, and no health beside the weights.
        Assert.Equal(HttpStatusCode.NotFound, await Ask("/models"));
        var weights = app.Urls.Single(url => new Uri(url).Port != port);
        Assert.Equal(HttpStatusCode.NotFound, await Ask($"{weights}/healthz"));
        Assert.Equal(HttpStatusCode.OK, await Ask($"{weights}/models"));
        var cluster = Cluster.Get(app.Services.GetRequiredService<ActorSystem>());
        await cluster.JoinAsync(cluster.SelfAddress, cancellation);
        while (await Ask("/readyz") != HttpStatusCode.OK)
            await Task.Delay(100, cancellation);
        await app.StopAsync(cancellation);
    }

    private static int FreePort()
    {
        using var free = new TcpListener(IPAddress.Loopback, 0);
        free.Start();
        return ((IPEndPoint)free.LocalEndpoint).Port;
    }
}
