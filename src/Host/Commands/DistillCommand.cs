using System.CommandLine;
using DfPO.Actors.Evaluation;
using DfPO.Actors.Experiments;
using DfPO.Actors.Work;
using DfPO.Host.Distillation;
using DfPO.Host.Generation;
using DfPO.Host.Reporting;
using DfPO.Host.Runs;
using DfPO.Models;
using DfPO.Models.Devices;
using DfPO.Models.Policies;
using DfPO.Rollout;
using DfPO.Tasks.Datasets;
using DfPO.Tasks.Metrics;
using DfPO.Tasks.Prompts;
using DfPO.Tasks.Rewards;

namespace DfPO.Host.Commands;

/// <summary><c>distill</c>: one ordinary model of a policy that takes a second one to be drawn: <c>pi-</c> the reference, NLPO's its mask.</summary>
internal static class DistillCommand
{
    // Seeds of what is learnt from and of what is measured must not meet.
    internal const ulong Training = 0x64697374, Measuring = 0x6d656173;
    private static readonly DecodingPolicy[] s_sources = [DecodingPolicy.Negative, DecodingPolicy.Policy];

    public static Command Create()
    {
        var source = new Argument<string>("source") { Description = "A run's folder (its best policy, with the run's prompts, reward and sampling), or a checkpoint folder of the policy." };
        var experiment = Options.Experiment();
        var policy = Options.Optional<string>("--policy", "What becomes one model: negative (pi-), or policy, of an NLPO run under its mask. By default policy of an NLPO run, else negative.");
        policy.AcceptOnlyFromAmong([.. s_sources.Select(MetricNames.Of)]);
        var output = Options.Required<string>("--out", "Checkpoint folder to write; it must be absent or empty.");
        var reference = Options.Optional<string>("--reference", "Checkpoint folder of pi_0, where the gain starts from and which masks pi-; of a run: the one that training started from.");
        var prompts = Options.Optional<string>("--prompts", "Prompts to sample from: a .jsonl file, or a text file with one a line; of a run: its training prompts.");
        var test = Options.Optional<string>("--test-prompts", "Prompts to measure on; of a run: its test prompts.");
        var reward = Options.Optional<string>("--reward-model", "Checkpoint folder of the classifier that rewards; of a run: its own.");
        var label = Options.Optional<string>("--reward-label", "The class whose probability is the reward; of a run: its own, else pos.");
        var longest = Options.Optional<int?>("--max-prompt-tokens", "Longest prompt; longer ones lose their beginning. Of a run: its own, else 64.");
        var samples = Options.AtLeast("--samples-per-prompt", "Samples to learn from, a prompt.", 1, 4);
        var measured = Options.AtLeast("--measured-per-prompt", "Continuations to measure with, a prompt.", 1, 4);
        var epochs = Options.AtLeast("--epochs", "Passes over the samples.", 1, 2);
        var rate = Options.Of("--learning-rate", "AdamW's learning rate.", 1e-4);
        var minibatch = Options.AtLeast("--minibatch-size", "Samples a step.", 1, 16);
        var json = new Option<bool>("--json") { Description = "One JSON object with the figures." };
        var sampling = new SamplingOptions();
        var command = new Command("distill", """
            Make one ordinary model of what takes two, by supervised learning on its samples: of pi-, the policy masked by its reference, or of NLPO's policy under its mask.
            Tells how much of the gain survives. Examples:
              dfpo distill runs/NAME --out my-model
              dfpo distill my-policy --reference gpt2 --prompts train.jsonl --test-prompts test.jsonl --reward-model my-reward --tolerance 0.1 --out my-model
            A copy of an NLPO checkpoint with a folder mask in it needs --experiment for that mask, and is refused without.
            """) { source, experiment, policy, output, reference, prompts, test, reward, label, longest, samples, measured, epochs, rate, minibatch, json };
        sampling.AddTo(command);
        command.SetAction((result, cancellation) => Task.Run(() => Run(result, cancellation), CancellationToken.None));
        return command;

        int Run(ParseResult result, CancellationToken cancellation)
        {
            var (from, folder) = (result.GetValue(source)!, result.GetValue(output)!);
            OutputFolder.RequireFree(folder);
            Option<string?>[] needed = [reference, prompts, test, reward];
            var trained = TrainedPolicy.Open(from, result.GetValue(experiment), result.GetValue(reference), whole: needed.Any(option => result.GetValue(option) is null));
            var config = trained.Config;
            if (config is null && needed.FirstOrDefault(option => result.GetValue(option) is null) is { } missing)
                throw new DfpoException("usage/distill", $"{missing.Name} must be given: '{from}' is no run that would say it, and no --experiment does.");
            var kind = result.GetValue(policy) is { } chosen ? Options.ParsePolicy(chosen) : trained.IsMasked ? DecodingPolicy.Policy : DecodingPolicy.Negative;
            if (kind == DecodingPolicy.Policy && !trained.IsMasked)
                throw new DfpoException("usage/distill", $"The policy of '{from}' is drawn under no mask of NLPO, so it is one ordinary model already: 'dfpo export' writes it, and --policy negative distils pi-.");
            IReadOnlyList<Prompt> Prompts(Option<string?> option, DatasetSplit split) => result.GetValue(option) is { } file ? PromptSource.Read([], file) : TaskPrompts.Read(config!.Task, split).Prompts;
            var (learnt, held) = (Prompts(prompts, DatasetSplit.Train), Prompts(test, DatasetSplit.Test));
            // One ordinary model is what comes out and what the gain starts from: both are drawn plainly.
            var plain = sampling.Generation(result, trained.RolledOut);
            var (theta, distilled) = (trained.Decoding(plain, DecodingPolicy.Policy), trained.Decoding(plain, kind));
            var (seed, dtype, device, batch) = sampling.Engine(result);
            var most = result.GetValue(longest) ?? config?.Task.MaxPromptTokens ?? 64;
            var quiet = result.GetValue(json);
            using var judge = result.GetValue(reward) is { } classifier
                ? ClassifierReward.Load(classifier, result.GetValue(label) ?? config?.Task.RewardLabel ?? "pos", TorchDevices.Parse(device))
                : RewardLoading.Local(config!.Task with { RewardLabel = result.GetValue(label) ?? config.Task.RewardLabel }, TorchDevices.Parse(device));
            var judged = Repeated(held, result.GetValue(measured));
            MeasuredModel Measure(TextGenerator generator, GenerationOptions how) =>
                Figures([.. generator.Generate(judged, how, CounterRandom.UInt64(seed, Measuring), batch, most, cancellation)], judge, batch);

            Continuation[] sampled;
            MeasuredModel before, after, original;
            using (var two = trained.Load([theta, distilled], scored: true, device, dtype))
            {
                sampled = [.. two.Generate(Repeated(learnt, result.GetValue(samples)), distilled, CounterRandom.UInt64(seed, Training), batch, most, cancellation)];
                after = Measure(two, theta);
                original = kind == DecodingPolicy.Policy ? after : Measure(two, distilled);
            }
            var pi0 = trained.Reference!;
            using (var initial = TextGenerator.Load(pi0, pi0, device, dtype, side: trained.TruncationSide))
                before = Measure(initial, plain);
            var hyper = new DistillerOptions(result.GetValue(epochs), result.GetValue(rate), result.GetValue(minibatch), seed, device);
            DistillationReport? report = null;
            OutputFolder.Write(folder, partial =>
            {
                Distiller.Train(trained.Checkpoint, sampled, hyper, partial, (epoch, nll) =>
                {
                    if (!quiet)
                        Console.WriteLine($"epoch {epoch}/{hyper.Epochs}: {Verdict.Figure(nll)} nats a token of {sampled.Length} samples");
                }, cancellation);
                using var one = TextGenerator.Load(partial, pi0, device, dtype, side: trained.TruncationSide);
                report = new DistillationReport(before, after, kind, original, Measure(one, plain));
            });
            if (quiet)
                Console.WriteLine(report!.ToJson().ToJsonString(JsonLinesFile.Format));
            else
                report!.Write(LineReporter.Plain(Console.Out), judged.Count);
            return 0;
        }
    }

    private static IReadOnlyList<Prompt> Repeated(IReadOnlyList<Prompt> prompts, int times) => [.. Enumerable.Repeat(prompts, times).SelectMany(all => all)];

    private static MeasuredModel Figures(Continuation[] continuations, IReward judge, int batch)
    {
        float[] rewards = [.. continuations.Chunk(batch).SelectMany(chunk => judge.Score([.. chunk.Select(Evaluation.Text)]))];
        return new([.. continuations.Zip(rewards, (c, r) => EvaluationMetrics.Sample(c.Prompt, c.Text, r, c.Sequence))]);
    }
}
