using Akka;
using Akka.Actor;
using Akka.Cluster;
using Akka.DependencyInjection;
using Akka.Hosting;
using Microsoft.Extensions.Hosting;

namespace DfPO.Actors.Security;

/// <summary>
/// Keeps a node alive whose TLS handshake with another failed. Akka shuts down the node that dialled, so one worker that comes back on its
/// port without its certificate would end the learner. Its shutdown is started here as well, but waits until one is wanted: by the host, or
/// because the node has left the cluster or was put out of it.
/// </summary>
internal static class FailedDials
{
    // Internal to Akka.
    private const string Reason = "TlsHandshakeFailureReason";

    /// <summary>Adds the wait.</summary>
    public static AkkaConfigurationBuilder WithFailedDialsSurvived(this AkkaConfigurationBuilder builder) =>
        builder
            .AddHocon("akka.coordinated-shutdown.phases.before-service-unbind.timeout = 20d", HoconAddMode.Prepend)
            .AddStartup(
                (system, _) =>
                {
                    var (shutdown, wanted) = (
                        CoordinatedShutdown.Get(system),
                        new TaskCompletionSource<Done>(TaskCreationOptions.RunContinuationsAsynchronously)
                    );
                    Cluster.Get(system).RegisterOnMemberRemoved(() => wanted.TrySetResult(Done.Instance));
                    DependencyResolver
                        .For(system)
                        .Resolver.GetService<IHostApplicationLifetime>()
                        .ApplicationStopping.Register(() => wanted.TrySetResult(Done.Instance));
                    shutdown.AddTask(CoordinatedShutdown.PhaseBeforeServiceUnbind, "failed-dials", () =>
                        shutdown.ShutdownReason?.GetType().Name == Reason ? wanted.Task : Task.FromResult(Done.Instance)
                    );
                }
            );
}
