using System.Net;
using Akka.Hosting;
using DfPO.Actors.Clustering;
using DfPO.Actors.Security;
using DfPO.Host.Telemetry;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace DfPO.Host.Composition;

/// <summary>What a learner's and a worker's process have in common.</summary>
internal static class NodeExtensions
{
    /// <summary>Logging to stderr, telemetry when asked for, and no lifetime of its own: the command line owns Ctrl-C.</summary>
    public static void AddDfpoNode(this IHostApplicationBuilder builder, HostTelemetry telemetry, LogLevel level)
    {
        builder.Logging.ClearProviders();
        builder.Logging.SetMinimumLevel(level);
        // Below a warning, a line a request of those who ask for chunks and health says nothing of the run.
        builder.Logging.AddFilter("Microsoft", at => at >= level && at >= LogLevel.Warning);
        builder.Logging.AddConsole(console => console.FormatterName = NodeLogFormatter.FormatterName);
        builder.Logging.AddConsoleFormatter<NodeLogFormatter, ConsoleFormatterOptions>();
        builder.Logging.Services.Configure<Microsoft.Extensions.Logging.Console.ConsoleLoggerOptions>(console =>
            console.LogToStandardErrorThreshold = LogLevel.Trace
        );
        telemetry.AddTo(builder.Logging);
        builder.Services.AddHealthChecks();
        builder.Services.AddSingleton<IHostLifetime, CommandLineLifetime>();
    }

    /// <summary>The cluster, with Akka's log in the host's.</summary>
    public static void WithDfpoNode(
        this AkkaConfigurationBuilder akka,
        NodeOptions node,
        string[] roles,
        IReadOnlyList<string> join,
        NodeIdentity? identity,
        IPAddress bind
    ) =>
        akka.ConfigureLoggers(logger =>
            {
                logger.LogLevel = node.Watch.LogLevel switch
                {
                    LogLevel.Trace or LogLevel.Debug => Akka.Event.LogLevel.DebugLevel,
                    LogLevel.Information => Akka.Event.LogLevel.InfoLevel,
                    LogLevel.Warning => Akka.Event.LogLevel.WarningLevel,
                    _ => Akka.Event.LogLevel.ErrorLevel,
                };
                logger.ClearLoggers();
                logger.AddLoggerFactory();
            })
            .WithDfpoCluster(node.Host, node.Port, roles, join, identity, bind)
            .WithHealth();

    private sealed class CommandLineLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
