using Akka.Actor;
using Akka.Cluster;
using Akka.Hosting;
using DfPO.Actors;
using DfPO.Actors.Clustering;
using DfPO.Actors.Security;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Hosting = Microsoft.Extensions.Hosting.Host;

namespace DfPO.Security.Tests.Nodes;

/// <summary>A node as the program makes it, on a free port of loopback; what it logs is kept.</summary>
internal sealed class ClusterNode : IAsyncDisposable, ILoggerProvider, ILogger
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20);
    private readonly List<string> _log = [];
    private IHost _host = null!;

    public ActorSystem System { get; private set; } = null!;

    public Cluster Cluster => Cluster.Get(System);

    public Address Address => Cluster.SelfAddress;

    public string Log
    {
        get
        {
            lock (_log)
                return string.Join('\n', _log);
        }
    }

    /// <summary>Starts a node; without an address to join it is a cluster of its own, and with one it may or may not get in.</summary>
    public static async Task<ClusterNode> Start(
        string role,
        Address? join = null,
        NodeIdentity? identity = null,
        Action<AkkaConfigurationBuilder>? more = null
    )
    {
        var node = new ClusterNode();
        var builder = Hosting.CreateApplicationBuilder();
        builder.Logging.ClearProviders().AddProvider(node);
        builder.Services.AddAkka(DfpoClusterExtensions.SystemName, akka =>
        {
            akka.ConfigureLoggers(logger =>
            {
                logger.ClearLoggers();
                logger.AddLoggerFactory();
            });
            akka.WithDfpoCluster("127.0.0.1", 0, [role], join is null ? [] : [$"{join.Host}:{join.Port}"], identity);
            more?.Invoke(akka);
        });
        node._host = builder.Build();
        await node._host.StartAsync();
        node.System = node._host.Services.GetRequiredService<ActorSystem>();
        if (join is null)
            await node.Cluster.JoinAsync(node.Address);
        return node;
    }

    /// <summary>Waits until so many members are up.</summary>
    public Task Members(int count) =>
        Eventually(() => Cluster.State.Members.Count(m => m.Status == MemberStatus.Up) == count, $"{count} members at {Address}");

    public static async Task Eventually(Func<bool> holds, string what)
    {
        using var deadline = new CancellationTokenSource(s_patience);
        while (!holds())
            try
            {
                await Task.Delay(20, deadline.Token);
            }
            catch (OperationCanceledException e)
            {
                throw new TimeoutException($"It did not come to this: {what}.", e);
            }
    }

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        _host.Dispose();
    }

    ILogger ILoggerProvider.CreateLogger(string categoryName) => this;

    void IDisposable.Dispose() { }

    IDisposable? ILogger.BeginScope<TState>(TState state) => null;

    bool ILogger.IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

    void ILogger.Log<TState>(
        LogLevel logLevel,
        EventId eventId,
        TState state,
        Exception? exception,
        Func<TState, Exception?, string> formatter
    )
    {
        lock (_log)
            _log.Add(formatter(state, exception) + exception?.Message);
    }
}
