using Akka.Actor;
using DfPO.Actors;
using DfPO.Actors.Configuration;
using DfPO.Actors.Experiments;
using DfPO.Actors.Security;
using DfPO.Actors.Work;
using DfPO.Models;

namespace DfPO.Host.Composition;

/// <summary>Workers in the learner's own process.</summary>
internal static class LocalWorkers
{
    /// <summary>
    /// Starts rollout and reward workers; each task completes when its worker has ended, with the reason if it was not the run's end.
    /// </summary>
    public static Task<Exception?>[] Start(
        ActorSystem system,
        ExperimentConfig config,
        int rolloutWorkers,
        TimeSpan patience,
        NodeIdentity? identity
    )
    {
        Task<Exception?> Start(string role, int index, string device, Func<IUnitExecutor> create)
        {
            var ended = new TaskCompletionSource<Exception?>(TaskCreationOptions.RunContinuationsAsynchronously);
            var options = new WorkerActorOptions
            {
                Id = WorkerId.New($"local/{role}-{index}"),
                Device = device,
                QueuePath = ExperimentProtocol.QueuePath(role),
                TorchThreads = config.Rollout.Threads,
                CreateExecutor = (_, _) => create(),
                Patience = patience,
                Identity = identity,
            };
            system.ActorOf(WorkerActor.Props(options, ended), $"{role}-{index}");
            return ended.Task;
        }
        var devices = config.Rollout.Devices;
        return
        [
            .. Enumerable
                .Range(0, rolloutWorkers)
                .Select(i =>
                    Start(ClusterRoles.Rollout, i, devices[i % devices.Count], () =>
                        new RolloutExecutor(config.Model.Policy, devices[i % devices.Count], config.Model.Dtype)
                    )
                ),
            .. Enumerable
                .Range(0, config.Rollout.RewardWorkers)
                .Select(i => Start(ClusterRoles.Reward, i, "cpu", () => new RewardExecutor(RewardLoading.Local(config.Task)))),
        ];
    }

    /// <summary>Completes when a worker ends with an error; never otherwise.</summary>
    public static async Task<Exception> Broken(Task<Exception?>[] workers)
    {
        await foreach (var ended in Task.WhenEach(workers))
            if (await ended is { } reason and not OperationCanceledException)
                return reason is DfpoException
                    ? reason
                    : new DfpoException("run/worker-lost", $"A worker of this process ended: {reason.Message}", reason);
        return await new TaskCompletionSource<Exception>().Task;
    }
}
