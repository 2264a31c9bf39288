using DfPO.Actors.Experiments;
using DfPO.Host.Configuration;
using DfPO.Learner;
using DfPO.Learner.Configuration;
using DfPO.Learner.Updates;
using DfPO.Models;
using DfPO.Models.Devices;
using DfPO.Models.Policies;
using DfPO.Rollout;
using DfPO.Rollout.Generation;
using static TorchSharp.torch;

namespace DfPO.Benchmarks;

/// <summary>
/// Whole iterations of GRPO, the learner's products in float32 or bfloat16: <c>imdb-tiny-grpo.conf</c> (64 continuations of 32 tokens, two
/// epochs) with everything but the cluster, and 16 continuations of 48 tokens in the shape of SmolLM2-135M with a reference model, all of
/// it in that dtype: what other programs call a step.
/// </summary>
internal static class IterationBenchmark
{
    // The first two compile code, pack weights, and wait for memory that is there afterwards.
    private const int WarmUp = 2;

    public static void Run(BenchmarkOptions options)
    {
        var products = options.Dtypes.Select(TorchDevices.ParseDtype).ToArray();
        foreach (var dtype in products)
            Bundled(dtype, options.Trials);
        foreach (var dtype in products)
            SmolLM2(dtype, options.Trials);
    }

    private static void Bundled(ScalarType products, int trials)
    {
        string[] settings =
        [
            $"iterations={trials + WarmUp}",
            $"evaluation.every={trials + WarmUp}",
            "evaluation.samples-per-prompt=1",
            $"checkpoint.every={trials + WarmUp}",
            $"learner.bf16={(products == ScalarType.BFloat16 ? "on" : "off")}",
        ];
        var config = ExperimentFile.Load("hocon/experiments/imdb-tiny-grpo.conf", settings);
        var folder = Directory.CreateTempSubdirectory("dfpo-benchmark").FullName;
        try
        {
            var clock = new IterationClock();
            var load = MachineLoad.Start();
            using (var services = new BareServices(config, folder))
                new ExperimentLoop(config, services, clock, new RunCheckpoints(folder)).Run(default).GetAwaiter().GetResult();
            var all = new Timing([.. clock.Seconds.Skip(WarmUp)], load.Foreign());
            Report.Measured("imdb-tiny-grpo", products, 64, "iteration", all, null, Figure.Seconds);
            Report.Measured("imdb-tiny-grpo", products, 64, "update", all.Part(clock.Learning.Skip(WarmUp)), null, Figure.Seconds);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void SmolLM2(ScalarType products, int trials)
    {
        const int Prompts = 2,
            Samples = 8,
            PromptTokens = 16;
        using LanguageModel policy = BenchmarkRun.SmolLM2(ScalarType.Float32),
            actor = BenchmarkRun.SmolLM2(products),
            reference = BenchmarkRun.SmolLM2(products);
        var incidents = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        var options = new LearnerOptions
        {
            Objective = ObjectiveKind.Grpo,
            Bf16 = products == ScalarType.BFloat16,
            Epochs = 1,
            MinibatchSize = Prompts * Samples,
        };
        using var learner = new PolicyLearner(policy, null, options, 1, incidents);
        var engine = new GenerationEngine(actor, reference, EndOfText.None);
        List<double> updates = [];
        var round = 0;
        var timing = Timing.Of(
            trials,
            () =>
            {
                using (no_grad())
                using (NewDisposeScope())
                {
                    foreach (var (to, from) in actor.parameters().Zip(policy.parameters()))
                        to.copy_(from);
                }
                var drawn = engine.Generate(
                    [
                        .. Enumerable
                            .Range(0, Prompts * Samples)
                            .Select(i => new GenerationRequest(
                                [.. Enumerable.Range(0, PromptTokens).Select(t => ((i / Samples * 977) + (t * 131) + 7) % 49152)],
                                (ulong)((round * 100) + i)
                            )),
                    ],
                    new() { MaxNewTokens = BenchmarkOptions.NewTokens }
                );
                round++;
                var start = System.Diagnostics.Stopwatch.GetTimestamp();
                // What the texts are worth does not matter to the clock, only that some are worth more.
                learner.Update([
                    .. drawn.Select(
                        (sequence, i) =>
                            new Trajectory(sequence, (float)sequence.Tokens.Average(t => t % 7), DecodingPolicy.Policy)
                            {
                                Group = i / Samples,
                            }
                    ),
                ]);
                updates.Add(System.Diagnostics.Stopwatch.GetElapsedTime(start).TotalSeconds);
            }
        );
        const string Name = "smollm2-135m (random)";
        Report.Measured(Name, products, Prompts * Samples, "GRPO iteration", timing, null, Figure.Seconds);
        Report.Measured(Name, products, Prompts * Samples, "GRPO update", timing.Part(updates.Skip(1)), null, Figure.Seconds);
    }
}
