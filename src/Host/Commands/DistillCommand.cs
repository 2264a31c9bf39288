using System.CommandLine;
using DfPO.Actors.Experiments;
using DfPO.Host.Configuration;
using DfPO.Host.Distillation;
using DfPO.Host.Generation;
using DfPO.Host.Reporting;
using DfPO.Host.Runs;
using DfPO.Models;
using DfPO.Models.Devices;
using DfPO.Models.Policies;
using DfPO.Rollout;
using DfPO.Tasks.Metrics;
using DfPO.Tasks.Prompts;
using DfPO.Tasks.Rewards;

namespace DfPO.Host.Commands;

/// <summary><c>distill</c>: one ordinary model of <c>pi-</c>, which needs the reference beside the policy.</summary>
internal static class DistillCommand
{
    // Seeds of what is learnt from and of what is measured must not meet.
    private const ulong Training = 0x64697374, Measuring = 0x6d656173;

    public static Command Create()
    {
        var source = new Argument<string>("source") { Description = "A run's folder (its best policy, with the run's prompts, reward and sampling), or a checkpoint folder of the policy." };
        var output = Options.Required<string>("--out", "Checkpoint folder to write; it must be absent or empty.");
        var reference = Options.Optional<string>("--reference", "Checkpoint folder of pi_0, which masks the policy; of a run: the one that training started from.");
        var prompts = Options.Optional<string>("--prompts", "Prompts to sample from: a .jsonl file, or a text file with one a line; of a run: its training prompts.");
        var test = Options.Optional<string>("--test-prompts", "Prompts to measure on; of a run: its test prompts.");
        var reward = Options.Optional<string>("--reward-model", "Checkpoint folder of the classifier that rewards; of a run: its own.");
        var label = Options.Optional<string>("--reward-label", "The class whose probability is the reward; of a run: its own, else pos.");
        var longest = Options.Optional<int?>("--max-prompt-tokens", "Longest prompt; longer ones lose their beginning. Of a run: its own, else 64.");
        var samples = Options.AtLeast("--samples-per-prompt", "Samples of pi- to learn from, a prompt.", 1, 4);
        var measured = Options.AtLeast("--measured-per-prompt", "Continuations to measure with, a prompt.", 1, 4);
        var epochs = Options.AtLeast("--epochs", "Passes over the samples.", 1, 2);
        var rate = Options.Of("--learning-rate", "AdamW's learning rate.", 1e-4);
        var minibatch = Options.AtLeast("--minibatch-size", "Samples a step.", 1, 16);
        var json = new Option<bool>("--json") { Description = "One JSON object with the figures." };
        var sampling = new SamplingOptions();
        var command = new Command("distill", """
            Make one ordinary model of pi-, the policy masked by its reference, by supervised learning on its own samples; tells how much of the gain survives. Examples:
              dfpo distill runs/NAME --out my-model
              dfpo distill my-policy --reference gpt2 --prompts train.jsonl --test-prompts test.jsonl --reward-model my-reward --tolerance 0.1 --out my-model
            """) { source, output, reference, prompts, test, reward, label, longest, samples, measured, epochs, rate, minibatch, json };
        sampling.AddTo(command);
        command.SetAction((result, cancellation) => Task.Run(() => Run(result, cancellation), CancellationToken.None));
        return command;

        int Run(ParseResult result, CancellationToken cancellation)
        {
            var (from, folder) = (result.GetValue(source)!, result.GetValue(output)!);
            OutputFolder.RequireFree(folder);
            var run = RunFolder.IsOne(from) ? RunFolder.Open(from) : null;
            var config = run is null ? null : ExperimentFile.Load(run.Config, []);
            string Given(Option<string?> option, Func<ExperimentConfig, string> ofRun) => result.GetValue(option) ?? (config is null
                ? throw new DfpoException("usage/distill", $"'{from}' is not a run's folder, so {option.Name} must be given.")
                : ofRun(config));
            var policy = run?.BestPolicy() ?? from;
            var pi0 = Given(reference, c => c.Model.Policy);
            var (learnt, held) = (PromptSource.Read([], Given(prompts, c => c.Task.TrainPrompts)), PromptSource.Read([], Given(test, c => c.Task.TestPrompts)));
            var options = sampling.Generation(result, config is null ? null : config.Rollout.Generation with { Tolerance = config.Learner.Dfpo.Tolerance, MaskRule = config.Learner.Dfpo.MaskRule });
            var (seed, dtype, device, batch) = sampling.Engine(result);
            var most = result.GetValue(longest) ?? config?.Task.MaxPromptTokens ?? 64;
            var negative = options with { Policy = DecodingPolicy.Negative };
            var quiet = result.GetValue(json);
            using var judge = ClassifierReward.Load(Given(reward, c => c.Task.RewardModel), result.GetValue(label) ?? config?.Task.RewardLabel ?? "pos", TorchDevices.Parse(device));
            var judged = Repeated(held, result.GetValue(measured));
            GenerationMetrics Measure(TextGenerator generator, GenerationOptions how) =>
                Figures([.. generator.Generate(judged, how, CounterRandom.UInt64(seed, Measuring), batch, most, cancellation)], judge, batch);

            Continuation[] sampled;
            GenerationMetrics alone, masked, before;
            using (var two = TextGenerator.Load(policy, pi0, device, dtype))
            {
                sampled = [.. two.Generate(Repeated(learnt, result.GetValue(samples)), negative, CounterRandom.UInt64(seed, Training), batch, most, cancellation)];
                (alone, masked) = (Measure(two, options), Measure(two, negative));
            }
            using (var initial = TextGenerator.Load(pi0, pi0, device, dtype))
                before = Measure(initial, options);
            var hyper = new DistillerOptions(result.GetValue(epochs), result.GetValue(rate), result.GetValue(minibatch), seed, device);
            DistillationReport? report = null;
            OutputFolder.Write(folder, partial =>
            {
                Distiller.Train(policy, sampled, hyper, partial, (epoch, nll) =>
                {
                    if (!quiet)
                        Console.WriteLine($"epoch {epoch}/{hyper.Epochs}: {Verdict.Figure(nll)} nats a token of {sampled.Length} samples");
                }, cancellation);
                using var one = TextGenerator.Load(partial, pi0, device, dtype);
                report = new DistillationReport(before, alone, masked, Measure(one, options));
            });
            if (quiet)
                Console.WriteLine(report!.ToJson().ToJsonString(JsonLinesFile.Format));
            else
                report!.Write(LineReporter.Plain(Console.Out), judged.Count);
            return 0;
        }
    }

    private static IReadOnlyList<Prompt> Repeated(IReadOnlyList<Prompt> prompts, int times) => [.. Enumerable.Repeat(prompts, times).SelectMany(all => all)];

    private static GenerationMetrics Figures(Continuation[] continuations, IReward judge, int batch)
    {
        float[] rewards = [.. continuations.Chunk(batch).SelectMany(chunk => judge.Score([.. chunk.Select(c => new PromptContinuation(c.Prompt.Text, c.Text))]))];
        static double Sum(float[] values) => values.Sum(value => (double)value);
        return GenerationMetrics.Compute([.. continuations.Zip(rewards, (c, r) =>
            new EvaluatedContinuation(c.Text, c.Sequence.Tokens.Length, r, Sum(c.Sequence.Logprobs), Sum(c.Sequence.ReferenceLogprobs), Sum(c.Sequence.StateKl)))]);
    }
}
