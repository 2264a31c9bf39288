using System.Diagnostics;
using DfPO.Actors.Configuration;
using DfPO.Actors.Experiments;
using DfPO.Actors.Learning;
using DfPO.Actors.Threading;
using DfPO.Actors.Weights;
using DfPO.Actors.Work;

namespace DfPO.Benchmarks;

/// <summary>The engines without anything around them.</summary>
internal sealed class BareServices : IExperimentServices, IDisposable
{
    private readonly TorchThread _rolloutThread;
    private readonly TorchThread _rewardThread = new("bare reward", 1);
    private readonly TorchThread _learnerThread;
    private readonly WeightsStore _store = new();
    private readonly RolloutExecutor _rollout;
    private readonly RewardExecutor _reward;
    private readonly LearnerSession _learner;

    public BareServices(ExperimentConfig config, string folder)
    {
        Directory.CreateDirectory(folder);
        (_rolloutThread, _learnerThread) = (
            new("bare rollout", config.Rollout.Threads),
            new("bare learner", config.Model.LearnerThreads)
        );
        _rollout = _rolloutThread.Run(() => new RolloutExecutor(config.Model.Policy, "cpu", config.Model.Dtype)).Result;
        _reward = _rewardThread.Run(() => new RewardExecutor(RewardLoading.Local(config.Task))).Result;
        _learner = _learnerThread.Run(() => new LearnerSession(config, _store, folder)).Result;
    }

    public async Task<WorkProtocol.UnitFinished> Process(WorkUnit unit, ActivityContext parent, CancellationToken cancellation)
    {
        var result = await (
            unit is RolloutUnit rollout
                ? _rolloutThread.Run(() => Generate(rollout, cancellation))
                : _rewardThread.Run(() => _reward.Execute(unit, cancellation))
        );
        return new(unit.Id, result, default);
    }

    public Task<TReply> Learner<TReply>(LearnerProtocol.ICommand<TReply> command, CancellationToken cancellation)
        where TReply : notnull => _learnerThread.Run(() => command.Ask(_learner));

    public Task<WorkProtocol.QueueStatus[]> Queues(CancellationToken cancellation) => Task.FromResult<WorkProtocol.QueueStatus[]>([]);

    public void Dispose()
    {
        foreach (
            var (thread, owned) in new (TorchThread, IDisposable)[]
            {
                (_rolloutThread, _rollout),
                (_rewardThread, _reward),
                (_learnerThread, _learner),
            }
        )
        {
            thread
                .Run(() =>
                {
                    owned.Dispose();
                    return true;
                })
                .Wait();
            thread.Dispose();
        }
    }

    private UnitResult Generate(RolloutUnit unit, CancellationToken cancellation)
    {
        if (_rollout.HeldDigest != unit.Weights.Digest)
        {
            using var lease = _store.Open(unit.Weights.Digest)!;
            _rollout.Apply(unit.Weights, lease.Path, default);
        }
        return _rollout.Execute(unit, cancellation);
    }
}
