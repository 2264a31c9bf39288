using DfPO.Actors.Configuration;
using DfPO.Actors.Experiments;
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
                        .Run(
                            new RunOptions { Port = 0 },
                            config,
                            RunFolder.Create(root, config),
                            new RunIdentity("benchmark", "", ""),
                            () => clusterClock,
                            _ => { },
                            telemetry,
                            default
                        )
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
}
