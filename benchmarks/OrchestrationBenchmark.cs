using System.Diagnostics;
using DfPO.Actors.Configuration;
using DfPO.Actors.Experiments;
using DfPO.Actors.Learning;
using DfPO.Actors.Threading;
using DfPO.Actors.Weights;
using DfPO.Actors.Work;
using DfPO.Host.Composition;
using DfPO.Host.Configuration;
using DfPO.Host.Runs;
using DfPO.Host.Telemetry;

namespace DfPO.Benchmarks;

/// <summary>
/// What actors, messages, weight transfer and telemetry cost: the default experiment's iterations through the cluster, against the same
/// loop that calls the same engines directly, each on a thread of its own. Rounds alternate, so that the machine's drift meets both.
/// </summary>
internal static class OrchestrationBenchmark
{
    private const int Rounds = 2;
    private static readonly string[] s_settings =
    [
        "iterations=10",
        "learner.value-warmup-iterations=0",
        "evaluation.every=100",
        "evaluation.samples-per-prompt=1",
        "checkpoint.every=100",
    ];

    public static void Run()
    {
        var config = ExperimentFile.Load("hocon/experiments/imdb-tiny.conf", s_settings);
        var root = Directory.CreateTempSubdirectory("dfpo-benchmark").FullName;
        try
        {
            List<double> bare = [],
                cluster = [];
            for (var round = 0; round < Rounds; round++)
            {
                var bareClock = new IterationClock();
                using (var services = new BareServices(config, Path.Combine(root, $"bare-{round}")))
                    new ExperimentLoop(config, services, bareClock, new RunCheckpoints(Path.Combine(root, $"bare-{round}")))
                        .Run(default)
                        .GetAwaiter()
                        .GetResult();
                bare.AddRange(bareClock.Seconds.Skip(2));
                var clusterClock = new IterationClock();
                using (var telemetry = HostTelemetry.Start("benchmark"))
                    ExperimentHost
                        .Run(new RunOptions { Port = 0 }, config, RunFolder.Create(root, config), () => clusterClock, telemetry, default)
                        .GetAwaiter()
                        .GetResult();
                cluster.AddRange(clusterClock.Seconds.Skip(2));
            }
            double engines = Median(bare),
                whole = Median(cluster);
            Report.Line("imdb-tiny", null, config.Rollout.PromptsPerIteration, "engines alone", $"{engines:f3} s an iteration");
            Report.Line(
                "imdb-tiny",
                null,
                config.Rollout.PromptsPerIteration,
                "in the cluster",
                $"{whole:f3} s an iteration, {100 * (whole - engines) / whole:f1} % of it orchestration"
            );
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    /// <summary>The engines without anything around them.</summary>
    private sealed class BareServices : IExperimentServices, IDisposable
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

    /// <summary>Takes the time of each iteration.</summary>
    private sealed class IterationClock : IExperimentObserver
    {
        public List<double> Seconds { get; } = [];

        public void Started(ExperimentConfig config, int iteration) { }

        public void Evaluated(EvaluationReport report) { }

        public void IterationFinished(IterationReport report) => Seconds.Add(report.Metrics["time/rollout"] + report.Metrics["time/learn"]);

        public void WorkersChanged(string role, int count) { }

        public void Finished(ExperimentResult result) { }
    }
}
