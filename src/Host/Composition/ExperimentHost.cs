using Akka.Actor;
using Akka.Cluster;
using Akka.Hosting;
using DfPO.Actors;
using DfPO.Actors.Clustering;
using DfPO.Actors.Configuration;
using DfPO.Actors.Experiments;
using DfPO.Actors.Security;
using DfPO.Actors.Weights;
using DfPO.Actors.Work;
using DfPO.Host.Configuration;
using DfPO.Host.Runs;
using DfPO.Host.Telemetry;
using DfPO.Models;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;

namespace DfPO.Host.Composition;

/// <summary>
/// A learner's process: a cluster of one that others may join, or a standby in the cluster of another; with the experiment, the bulk
/// channel, and local workers once it is the learner.
/// </summary>
public static class ExperimentHost
{
    private static readonly TimeSpan s_joinTimeout = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_stopTimeout = TimeSpan.FromSeconds(10);

    // A killed predecessor's lock is free at once; one that was cut off from the cluster ends its step first.
    private static readonly TimeSpan s_lockPatience = TimeSpan.FromSeconds(5);

    /// <summary>Runs an experiment to its end, or stands by until it has ended.</summary>
    /// <param name="options">Where to listen, whom to join, and how many workers to start.</param>
    /// <param name="config">A validated experiment.</param>
    /// <param name="folder">Folder of the run; its newest state, if any, is resumed.</param>
    /// <param name="run">Which run it is.</param>
    /// <param name="observe">Makes the observer once this process is the learner.</param>
    /// <param name="conclude">Writes the result down.</param>
    /// <param name="telemetry">Where logs go beside stderr.</param>
    /// <param name="cancellation">Ends the run after the step in hand, with a resumable state.</param>
    /// <returns>The result; null when another process finished the run.</returns>
    public static async Task<ExperimentResult?> Run(
        RunOptions options,
        ExperimentConfig config,
        RunFolder folder,
        RunIdentity run,
        Func<IExperimentObserver> observe,
        Action<ExperimentResult> conclude,
        HostTelemetry telemetry,
        CancellationToken cancellation
    )
    {
        var node = new NodeOptions
        {
            Host = options.Host,
            Bind = options.Bind,
            Port = options.Port,
            BulkPort = options.BulkPort,
            Watch = options.Watch,
            Tls = options.Tls.IsEmpty ? config.Cluster.Tls : options.Tls,
        };
        var address = node.Checked();
        var identity = node.LoadIdentity(Console.Error);
        using var store = new WeightsStore(new WeightsStoreOptions { Kept = config.Async.WeightVersions });
        var standby = options.Join.Count > 0;
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.ListenForBulk(address, node.BulkPort, identity);
            kestrel.ListenForHealth(address, node.Watch.HealthPort);
        });
        builder.AddDfpoNode(telemetry, node.Watch.LogLevel);
        builder.Services.AddAkka(DfpoClusterExtensions.SystemName, akka =>
            akka.WithDfpoNode(
                node,
                [ClusterRoles.Learner, run.Role, ClusterRoles.Rollout, ClusterRoles.Reward],
                options.Join,
                identity,
                address
            )
        );
        await using var app = builder.Build();
        app.MapHealth(node.Watch.HealthPort);
        app.MapWeights(store, new Dictionary<string, string>(RewardLoading.Folders(config.Task)) { ["policy"] = config.Model.Policy });
        await app.StartAsync(cancellation);
        try
        {
            store.BaseUrl = node.Announced(app.Urls.First());
            var system = app.Services.GetRequiredService<ActorSystem>();
            var self = await Join(system, standby, cancellation);
            if (standby)
                RequireRun(Cluster.Get(system), run, options.Join, folder);
            var setup = new ExperimentSetup(
                config,
                run,
                store,
                folder.Path,
                observe,
                () => standby ? ExperimentFile.Load(folder.Config, []) : Saved(folder, config),
                now => standby && folder.IsFinished(now),
                conclude,
                standby ? options.Patience : s_lockPatience,
                cancellation
            );
            ExperimentSingleton.Start(system, setup);
            var joined = identity is null ? self : $"{self} --tls-ca ... --tls-cert ... --tls-key ...";
            Console.Error.WriteLine(
                standby
                    ? $"dfpo: standing by for {folder.Path} at {self}; takes over when its learner is gone"
                    : $"dfpo: more workers join with: dfpo worker --join {joined}"
            );
            await Task.WhenAny(setup.Activated.Task, setup.Ended.Task).WaitAsync(cancellation);
            if (!setup.Activated.Task.IsCompletedSuccessfully)
                return await setup.Ended.Task;
            if (standby)
                Console.Error.WriteLine($"dfpo: this process is the learner now; more workers join with: dfpo worker --join {joined}");
            return await Lead(system, setup, options, node.Tls, identity, self, cancellation);
        }
        finally
        {
            using var stopping = new CancellationTokenSource(s_stopTimeout);
            await app.StopAsync(stopping.Token);
        }
    }

    private static ExperimentConfig Saved(RunFolder folder, ExperimentConfig config)
    {
        folder.SaveConfig(config);
        return config;
    }

    /// <summary>A standby of another run would take that run's cluster over, and its workers with it.</summary>
    private static void RequireRun(Cluster cluster, RunIdentity run, IReadOnlyList<string> join, RunFolder folder)
    {
        if (cluster.State.Members.FirstOrDefault(member => run.IsOther(member.Roles)) is { } other)
            throw new DfpoException(
                "cluster/other-run",
                $"The learner at {other.Address.Host}:{other.Address.Port}, which '--join {string.Join(',', join)}' leads to, is of another run than '{folder.Path}': give '--run' the folder of the run that is learnt there."
            );
    }

    /// <summary>Starts the workers and waits for the end.</summary>
    private static async Task<ExperimentResult?> Lead(
        ActorSystem system,
        ExperimentSetup setup,
        RunOptions options,
        TlsOptions tls,
        NodeIdentity? identity,
        string self,
        CancellationToken cancellation
    )
    {
        var config = setup.Config;
        using var processes = WorkerProcesses.Start(options.WorkerProcesses, self, tls, config.Rollout, Console.Error, cancellation);
        var broken = LocalWorkers.Broken(
            LocalWorkers.Start(system, config, options.LocalWorkersOf(config.Rollout), s_joinTimeout, identity)
        );
        await Task.WhenAny(setup.Ended.Task, broken);
        return setup.Ended.Task.IsCompleted ? await setup.Ended.Task : throw await broken;
    }

    /// <summary>Becomes a member and gives the address that others join.</summary>
    private static async Task<string> Join(ActorSystem system, bool standby, CancellationToken cancellation)
    {
        var cluster = Cluster.Get(system);
        using var joining = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        joining.CancelAfter(s_joinTimeout);
        try
        {
            if (standby)
            {
                var up = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                cluster.RegisterOnMemberUp(() => up.TrySetResult());
                await up.Task.WaitAsync(joining.Token);
            }
            else
                await cluster.JoinAsync(cluster.SelfAddress, joining.Token);
        }
        catch (Exception e) when (e is OperationCanceledException or ClusterJoinFailedException && !cancellation.IsCancellationRequested)
        {
            throw new DfpoException(
                "cluster/join",
                $"No cluster could be joined in {s_joinTimeout.TotalSeconds:F0} s: is a run listening there? 'dfpo run' shows its address.",
                e
            );
        }
        return $"{cluster.SelfAddress.Host}:{cluster.SelfAddress.Port}";
    }
}
