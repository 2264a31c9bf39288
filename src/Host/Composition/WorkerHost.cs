using System.Globalization;
using Akka.Actor;
using Akka.Cluster;
using Akka.Hosting;
using DfPO.Actors;
using DfPO.Actors.Clustering;
using DfPO.Actors.Experiments;
using DfPO.Actors.Security;
using DfPO.Actors.Weights;
using DfPO.Actors.Work;
using DfPO.Host.Telemetry;
using DfPO.Models;
using DfPO.Models.Devices;
using DfPO.Tasks.Rewards;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace DfPO.Host.Composition;

/// <summary>A worker's process: joins a running experiment, fetches what it needs from it, and pulls work until the run ends.</summary>
public static class WorkerHost
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(1);
    // More than a willing cluster takes to let a node in: a needless look at a plain one shows in its log.
    private static readonly TimeSpan s_joining = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_stopTimeout = TimeSpan.FromSeconds(10);

    /// <summary>Works until the run ends.</summary>
    /// <param name="options">What to join, as what, and with which devices.</param>
    /// <param name="telemetry">Where logs go beside stderr.</param>
    /// <param name="cancellation">Leaves the run; what is in hand is handed out again.</param>
    /// <exception cref="DfpoException"><c>worker/ended</c>: no learner was found, it was lost, or an engine could not be built.</exception>
    public static async Task Run(WorkerOptions options, HostTelemetry telemetry, CancellationToken cancellation)
    {
        var (role, node) = (options.Role == WorkerRole.Reward ? ClusterRoles.Reward : ClusterRoles.Rollout, new NodeOptions { Host = options.Host, Port = options.Port, Tls = options.Tls });
        node.Checked();
        var identity = node.LoadIdentity(Console.Error);
        foreach (var device in options.Devices)
            TorchDevices.Parse(device);
        var builder = Microsoft.Extensions.Hosting.Host.CreateApplicationBuilder();
        builder.AddDfpoNode(telemetry);
        builder.Services.AddAkka(DfpoClusterExtensions.SystemName, akka => akka.WithDfpoNode(node, [role], options.Join, identity));
        using var host = builder.Build();
        await host.StartAsync(cancellation);
        try
        {
            var system = host.Services.GetRequiredService<ActorSystem>();
            var workers = options.Devices.Select((device, index) => Start(system, role, device, index, options.Threads, identity)).ToArray();
            var all = Task.WhenAll(workers);
            using var joining = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            var hopeless = Hopeless(Cluster.Get(system), options.Join, identity, joining.Token);
            await (await Task.WhenAny(all, hopeless)).WaitAsync(cancellation);
            await joining.CancelAsync();
            if (!all.IsCompleted)
                throw await hopeless;
            if (all.Result.FirstOrDefault(reason => reason is not null) is { } reason)
                throw reason as DfpoException ?? new DfpoException("worker/ended", $"The worker ended before the run did: {reason.Message}. Is a run listening at {options.Join}?", reason);
        }
        finally
        {
            using var stopping = new CancellationTokenSource(s_stopTimeout);
            await host.StopAsync(stopping.Token);
        }
    }

    private static Task<Exception?> Start(ActorSystem system, string role, string device, int index, int threads, NodeIdentity? identity)
    {
        var ended = new TaskCompletionSource<Exception?>(TaskCreationOptions.RunContinuationsAsynchronously);
        // Any machine, any restart: the identity must be nobody else's.
        var id = new WorkerId($"{Environment.MachineName}/{Environment.ProcessId}/{role}-{index}");
        var options = new WorkerActorOptions(id, device, ExperimentProtocol.QueuePath(role), threads, (setup, client) => Create(role, device, setup, client), s_patience, identity);
        system.ActorOf(WorkerActor.Props(options, ended), $"{role}-{index}");
        return ended.Task;
    }

    /// <summary>Completes when this node will never be let in, with the reason; never once it is a member, nor while nobody answers.</summary>
    private static async Task<DfpoException> Hopeless(Cluster cluster, string join, NodeIdentity? identity, CancellationToken cancellation)
    {
        var (host, port) = (join[..join.LastIndexOf(':')].Trim('[', ']'), int.Parse(join[(join.LastIndexOf(':') + 1)..], CultureInfo.InvariantCulture));
        while (true)
        {
            await Task.Delay(s_joining, cancellation);
            if (cluster.State.Members.IsEmpty && await JoinProbe.Obstacle(host, port, identity, cancellation) is { } obstacle)
                return obstacle;
        }
    }

    private static IUnitExecutor Create(string role, string device, WorkerSetup setup, WeightsClient client)
    {
        // On the worker's own torch thread, which has nothing else to do until the files are there.
        var folder = client.FetchFolder(setup.ModelUrl, CancellationToken.None).GetAwaiter().GetResult();
        return role == ClusterRoles.Reward
            ? new RewardExecutor(ClassifierReward.Load(folder, setup.RewardLabel, TorchDevices.Parse(device)))
            : new RolloutExecutor(folder, device, setup.Dtype);
    }
}
