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
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;

namespace DfPO.Host.Composition;

/// <summary>A worker's process: joins a running experiment, fetches what it needs from it, and pulls work until the run ends.</summary>
public static class WorkerHost
{
    // More than a willing cluster takes to let a node in: a needless look at a plain one shows in its log.
    private static readonly TimeSpan s_joining = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_stopTimeout = TimeSpan.FromSeconds(10),
        s_rejoinPause = TimeSpan.FromSeconds(1);

    /// <summary>
    /// Works until the run ends. A worker whose side of a broken cluster was downed joins again, as long as its patience lasts.
    /// </summary>
    /// <param name="options">What to join, as what, and with which devices.</param>
    /// <param name="telemetry">Where logs go beside stderr.</param>
    /// <param name="cancellation">Leaves the run; what is in hand is handed out again.</param>
    /// <exception cref="DfpoException"><c>worker/no-learner</c>, <c>worker/refused</c>, <c>worker/run-failed</c>, or why an engine could
    /// not be built.</exception>
    public static async Task Run(WorkerOptions options, HostTelemetry telemetry, CancellationToken cancellation)
    {
        foreach (var device in options.Devices)
            TorchDevices.Parse(device);
        var modelDigest = options.Model is { } folder ? ModelFingerprint.Of(folder) : "";
        var node = new NodeOptions
        {
            Host = options.Host,
            Bind = options.Bind,
            Port = options.Port,
            BulkPort = options.BulkPort,
            Watch = options.Watch,
            Tls = options.Tls,
        };
        var identity = node.LoadIdentity(Console.Error);
        while (!await Join(options, node, identity, modelDigest, telemetry, cancellation))
        {
            Console.Error.WriteLine(
                $"dfpo: this worker was cut off from the cluster; it joins again at {string.Join(" or ", options.Join)}"
            );
            await Task.Delay(s_rejoinPause, cancellation);
        }
    }

    /// <summary>One membership; false when the cluster went on without this process.</summary>
    private static async Task<bool> Join(
        WorkerOptions options,
        NodeOptions node,
        NodeIdentity? identity,
        string modelDigest,
        HostTelemetry telemetry,
        CancellationToken cancellation
    )
    {
        var role = options.Role == WorkerRole.Reward ? ClusterRoles.Reward : ClusterRoles.Rollout;
        var address = node.Checked();
        var sources = new WeightsSources();
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.ListenForBulk(address, node.BulkPort, identity);
            kestrel.ListenForHealth(address, node.Watch.HealthPort);
        });
        builder.AddDfpoNode(telemetry, node.Watch.LogLevel);
        builder.Services.AddAkka(DfpoClusterExtensions.SystemName, akka =>
            akka.WithDfpoNode(node, [role], options.Join, identity, address)
        );
        await using var host = builder.Build();
        host.MapHealth(node.Watch.HealthPort);
        host.MapWeights(sources);
        await host.StartAsync(cancellation);
        var relay = new RelayPoint(node.Announced(host.Urls.First()), sources);
        var system = host.Services.GetRequiredService<ActorSystem>();
        try
        {
            var workers = options
                .Devices.Select((device, index) => Start(system, role, device, index, options, identity, modelDigest, relay))
                .ToArray();
            var all = Task.WhenAll(workers.Select(worker => worker.Ended));
            using var joining = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            try
            {
                var hopeless = Hopeless(Cluster.Get(system), options.Join, identity, joining.Token);
                if (await Task.WhenAny(all, hopeless).WaitAsync(cancellation) == hopeless)
                    throw await hopeless;
                await joining.CancelAsync();
            }
            catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
            {
                foreach (var (actor, _) in workers)
                    actor.Tell(new WorkerActor.Leave());
                await Task.WhenAny(all, Task.Delay(s_stopTimeout, CancellationToken.None));
                throw;
            }
            if (all.Result.Any(reason => reason is OperationCanceledException))
                return false;
            if (all.Result.FirstOrDefault(reason => reason is not null) is { } reason)
                throw reason as DfpoException
                    ?? new DfpoException("worker/ended", $"The worker ended before the run did: {reason.Message}", reason);
            return true;
        }
        finally
        {
            using var stopping = new CancellationTokenSource(s_stopTimeout);
            await host.StopAsync(stopping.Token);
        }
    }

    private static (IActorRef Actor, Task<Exception?> Ended) Start(
        ActorSystem system,
        string role,
        string device,
        int index,
        WorkerOptions worker,
        NodeIdentity? identity,
        string modelDigest,
        RelayPoint relay
    )
    {
        var ended = new TaskCompletionSource<Exception?>(TaskCreationOptions.RunContinuationsAsynchronously);
        // Any machine, any restart: the identity must be nobody else's.
        var id = WorkerId.New($"{Environment.MachineName}/{Environment.ProcessId}/{role}-{index}");
        var options = new WorkerActorOptions
        {
            Id = id,
            Device = device,
            QueuePath = ExperimentProtocol.QueuePath(role),
            TorchThreads = worker.Threads,
            CreateExecutor = (setup, client) => Create(role, device, worker, setup, client),
            Patience = worker.Patience,
            ModelDigest = modelDigest,
            Say = text => Console.Error.WriteLine($"dfpo: {PlainText.Of(text)}"),
            Identity = identity,
            Relay = relay,
        };
        return (system.ActorOf(WorkerActor.Props(options, ended), $"{role}-{index}"), ended.Task);
    }

    /// <summary>
    /// Completes when this node will never be let in, with the reason; never once it is a member, nor while a member does not answer.
    /// </summary>
    private static async Task<DfpoException> Hopeless(
        Cluster cluster,
        IReadOnlyList<string> join,
        NodeIdentity? identity,
        CancellationToken cancellation
    )
    {
        while (true)
        {
            await Task.Delay(s_joining, cancellation);
            if (!cluster.State.Members.IsEmpty)
                continue;
            var obstacles = await Task.WhenAll(
                join.Select(member =>
                    JoinProbe.Obstacle(
                        member[..member.LastIndexOf(':')].Trim('[', ']'),
                        int.Parse(member[(member.LastIndexOf(':') + 1)..], CultureInfo.InvariantCulture),
                        identity,
                        cancellation
                    )
                )
            );
            if (Array.TrueForAll(obstacles, obstacle => obstacle is not null))
                return obstacles[0]!;
        }
    }

    private static IUnitExecutor Create(string role, string device, WorkerOptions worker, WorkerSetup setup, WeightsClient client) =>
        // On the worker's own torch thread, which has nothing else to do until the files are there.
        role == ClusterRoles.Reward
            ? new RewardExecutor(RewardLoading.Remote(setup, worker.Model, TorchDevices.Parse(device), client, worker.Allowance))
            : new RolloutExecutor(
                worker.Model ?? client.FetchFolder(setup.ModelUrl, CancellationToken.None).GetAwaiter().GetResult(),
                device,
                setup.Dtype
            );
}
