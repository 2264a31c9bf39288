using System.Net;
using Akka.Cluster.Hosting;
using Akka.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;

namespace DfPO.Host.Composition;

/// <summary>
/// Health of a process, for compose and Kubernetes, on a port of its own and always without TLS: <c>/healthz</c> says whether its actor
/// system lives, <c>/readyz</c> whether it is a member of a cluster. An answer is one word.
/// </summary>
internal static class HealthEndpoints
{
    private const string Liveness = "liveness";
    private const string Readiness = "readiness";

    /// <summary>Listens, where there is a port.</summary>
    public static void ListenForHealth(this KestrelServerOptions kestrel, IPAddress address, int? port)
    {
        if (port is { } at)
            kestrel.Listen(address, at);
    }

    /// <summary>Akka's own checks.</summary>
    public static AkkaConfigurationBuilder WithHealth(this AkkaConfigurationBuilder akka) =>
        akka.WithActorSystemLivenessCheck(tags: [Liveness]).WithAkkaClusterReadinessCheck(tags: [Readiness]);

    /// <summary>Answers at the port, and nothing else there.</summary>
    public static void MapHealth(this WebApplication app, int? port)
    {
        if (port is null)
            return;
        app.MapWhen(
            context => context.Connection.LocalPort == port,
            health =>
            {
                health.UseHealthChecks("/healthz", new HealthCheckOptions { Predicate = check => check.Tags.Contains(Liveness) });
                health.UseHealthChecks("/readyz", new HealthCheckOptions { Predicate = check => check.Tags.Contains(Readiness) });
                health.Run(context =>
                {
                    context.Response.StatusCode = StatusCodes.Status404NotFound;
                    return Task.CompletedTask;
                });
            }
        );
    }
}
