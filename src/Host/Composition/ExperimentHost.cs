using Akka.Actor;
using Akka.Cluster;
using Akka.Hosting;
using DfPO.Actors;
using DfPO.Actors.Clustering;
using DfPO.Actors.Experiments;
using DfPO.Actors.Weights;
using DfPO.Actors.Work;
using DfPO.Host.Runs;
using DfPO.Host.Telemetry;
using DfPO.Models;
using DfPO.Tasks.Rewards;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;

namespace DfPO.Host.Composition;

/// <summary>The learner's process: a cluster of one, with the experiment, the bulk channel, and local workers. Others may join it.</summary>
public static class ExperimentHost
{
    private static readonly TimeSpan s_joinTimeout = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_stopTimeout = TimeSpan.FromSeconds(10);

    /// <summary>Runs an experiment to its end.</summary>
    /// <param name="options">Where to listen, and how many workers to start here.</param>
    /// <param name="config">A validated experiment.</param>
    /// <param name="folder">Folder of the run; its newest state, if any, is resumed.</param>
    /// <param name="observer">Sees progress.</param>
    /// <param name="telemetry">Where logs go beside stderr.</param>
    /// <param name="cancellation">Ends the run after the step in hand, with a resumable state.</param>
    public static async Task<ExperimentResult> Run(RunOptions options, ExperimentConfig config, RunFolder folder, IExperimentObserver observer, HostTelemetry telemetry, CancellationToken cancellation)
    {
        var node = new NodeOptions { Host = options.Host, Port = options.Port, BulkPort = options.BulkPort };
        var address = node.Checked();
        using var store = new WeightsStore();
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(address, node.BulkPort));
        builder.AddDfpoNode(telemetry);
        builder.Services.AddAkka(DfpoClusterExtensions.SystemName, akka => akka.WithDfpoNode(node, [ClusterRoles.Learner, ClusterRoles.Rollout, ClusterRoles.Reward], join: null));
        await using var app = builder.Build();
        app.MapWeights(store, new Dictionary<string, string> { ["policy"] = config.Model.Policy, ["reward"] = config.Task.RewardModel });
        await app.StartAsync(cancellation);
        try
        {
            store.BaseUrl = app.Urls.First();
            var system = app.Services.GetRequiredService<ActorSystem>();
            var cluster = Cluster.Get(system);
            using (var joining = CancellationTokenSource.CreateLinkedTokenSource(cancellation))
            {
                joining.CancelAfter(s_joinTimeout);
                await cluster.JoinAsync(cluster.SelfAddress, joining.Token);
            }
            Console.Error.WriteLine($"dfpo: more workers join with: dfpo worker --join {cluster.SelfAddress.Host}:{cluster.SelfAddress.Port}");
            var experiment = system.ActorOf(ExperimentActor.Props(config, store, observer, folder.Path), ExperimentProtocol.ActorName);
            var workers = StartWorkers(system, config, options.LocalWorkers ?? config.Rollout.Workers);
            var running = experiment.Ask<ExperimentResult>(new ExperimentProtocol.RunExperiment(cancellation), Timeout.InfiniteTimeSpan);
            await Task.WhenAny(running, BrokenWorker(workers));
            if (!running.IsCompleted)
                throw await BrokenWorker(workers);
            var result = await running;
            // Queues say goodbye to their workers as they stop; they need the system for that.
            await experiment.GracefulStop(s_stopTimeout);
            return result;
        }
        finally
        {
            using var stopping = new CancellationTokenSource(s_stopTimeout);
            await app.StopAsync(stopping.Token);
        }
    }

    private static Task<Exception?>[] StartWorkers(ActorSystem system, ExperimentConfig config, int rolloutWorkers)
    {
        Task<Exception?> Start(string role, int index, string device, Func<IUnitExecutor> create)
        {
            var ended = new TaskCompletionSource<Exception?>(TaskCreationOptions.RunContinuationsAsynchronously);
            var options = new WorkerActorOptions(new WorkerId($"local/{role}-{index}"), device, ExperimentProtocol.QueuePath(role), config.Rollout.Threads, (_, _) => create(), s_joinTimeout);
            system.ActorOf(WorkerActor.Props(options, ended), $"{role}-{index}");
            return ended.Task;
        }
        var devices = config.Rollout.Devices;
        return
        [
            .. Enumerable.Range(0, rolloutWorkers).Select(i => Start(ClusterRoles.Rollout, i, devices[i % devices.Count],
                () => new RolloutExecutor(config.Model.Policy, devices[i % devices.Count], config.Model.Dtype))),
            .. Enumerable.Range(0, config.Rollout.RewardWorkers).Select(i => Start(ClusterRoles.Reward, i, "cpu",
                () => new RewardExecutor(ClassifierReward.Load(config.Task.RewardModel, config.Task.RewardLabel)))),
        ];
    }

    /// <summary>Completes when a local worker ends with an error; never otherwise.</summary>
    private static async Task<Exception> BrokenWorker(Task<Exception?>[] workers)
    {
        await foreach (var ended in Task.WhenEach(workers))
            if (await ended is { } reason)
                return reason is DfpoException ? reason : new DfpoException("run/worker-lost", $"A worker of this process ended: {reason.Message}", reason);
        return await new TaskCompletionSource<Exception>().Task;
    }
}
