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
using DfPO.Tasks.Prompts;
using DfPO.Tasks.Rewards;

namespace DfPO.Host.Commands;

/// <summary>
/// <c>distill</c>: one ordinary model of a policy that takes a second one to be drawn: <c>pi-</c> the reference, NLPO's its mask.
/// </summary>
internal sealed class DistillCommand
{
    // Seeds of what is learnt from and of what is measured must not meet.
    internal const ulong Training = 0x64697374,
        Measuring = 0x6d656173;
    private static readonly DecodingPolicy[] s_sources = [DecodingPolicy.Negative, DecodingPolicy.Policy];
    private readonly Argument<string> _source = new("source")
    {
        Description =
            "A run's folder (its best policy, with the run's prompts, reward and sampling), or a checkpoint folder of the policy.",
    };
    private readonly Option<string?> _experiment = Options.Experiment();
    private readonly Option<string?> _policy = Options.Optional<string>(
        "--policy",
        "What becomes one model: negative (pi-), or policy, of an NLPO run under its mask. By default policy of an NLPO run, else negative."
    );
    private readonly Option<string> _output = Options.Required<string>("--out", "Checkpoint folder to write; it must be absent or empty.");
    private readonly Option<string?> _reference = Options.Optional<string>(
        "--reference",
        "Checkpoint folder of pi_0, where the gain starts from and which masks pi-; of a run: the one that training started from."
    );
    private readonly Option<string?> _prompts = Options.Optional<string>(
        "--prompts",
        "Prompts to sample from: a .jsonl file, or a text file with one a line; of a run: its training prompts."
    );
    private readonly Option<string?> _test = Options.Optional<string>(
        "--test-prompts",
        "Prompts to measure on; of a run: its test prompts."
    );
    private readonly Option<string?> _reward = Options.Optional<string>(
        "--reward-model",
        "Checkpoint folder of the classifier that rewards; of a run: its own."
    );
    private readonly Option<string?> _label = Options.Optional<string>(
        "--reward-label",
        "The class whose probability is the reward; of a run: its own, else pos."
    );
    private readonly Option<int?> _longest = Options.Optional<int?>(
        "--max-prompt-tokens",
        "Longest prompt; longer ones lose their beginning. Of a run: its own, else 64."
    );
    private readonly Option<int> _samples = Options.AtLeast("--samples-per-prompt", "Samples to learn from, a prompt.", 1, 4);
    private readonly Option<int> _measured = Options.AtLeast("--measured-per-prompt", "Continuations to measure with, a prompt.", 1, 4);
    private readonly Option<int> _epochs = Options.AtLeast("--epochs", "Passes over the samples.", 1, 2);
    private readonly Option<double> _rate = Options.Of("--learning-rate", "AdamW's learning rate.", 1e-4);
    private readonly Option<int> _minibatch = Options.AtLeast("--minibatch-size", "Samples a step.", 1, 16);
    private readonly Option<bool> _json = new("--json") { Description = "One JSON object with the figures." };
    private readonly SamplingOptions _sampling = new();

    private DistillCommand() => _policy.AcceptOnlyFromAmong([.. s_sources.Select(policy => policy.Name())]);

    public static Command Create()
    {
        var distill = new DistillCommand();
        var command = new Command(
            "distill",
            """
            Make one ordinary model of what takes two, by supervised learning on its samples: of pi-, the policy masked by its reference, or of NLPO's policy under its mask.
            Tells how much of the gain survives. Examples:
              dfpo distill runs/NAME --out my-model
              dfpo distill my-policy --reference gpt2 --prompts train.jsonl --test-prompts test.jsonl --reward-model my-reward --tolerance 0.1 --out my-model
            A copy of an NLPO checkpoint with a folder mask in it needs --experiment for that mask, and is refused without.
            """
        )
        {
            distill._source,
            distill._experiment,
            distill._policy,
            distill._output,
            distill._reference,
            distill._prompts,
            distill._test,
            distill._reward,
            distill._label,
            distill._longest,
            distill._samples,
            distill._measured,
            distill._epochs,
            distill._rate,
            distill._minibatch,
            distill._json,
        };
        distill._sampling.AddTo(command);
        command.SetAction((result, cancellation) => Task.Run(() => distill.Run(result, cancellation), CancellationToken.None));
        return command;
    }

    private async Task<int> Run(ParseResult result, CancellationToken cancellation)
    {
        var folder = result.GetValue(_output)!;
        OutputFolder.RequireFree(folder);
        var trained = Open(result);
        var kind = Kind(result, trained);
        var (learnt, held) = (Prompts(result, _prompts, trained, DatasetSplit.Train), Prompts(result, _test, trained, DatasetSplit.Test));
        // One ordinary model is what comes out and what the gain starts from: both are drawn plainly.
        var plain = _sampling.Generation(result, trained.RolledOut);
        var (theta, distilled) = (trained.Decoding(plain, DecodingPolicy.Policy), trained.Decoding(plain, kind));
        var (seed, dtype, device, batch) = _sampling.Engine(result);
        var most = result.GetValue(_longest) ?? trained.Config?.Task.MaxPromptTokens ?? 64;
        var (quiet, each) = (result.GetValue(_json), result.GetValue(_measured));
        using var judge = Judge(result, trained, device);
        // No text metrics: what is asked is how much of the gain survives.
        var evaluator = new Evaluator(new());
        Task<EvaluationFigures> Measure(TextGenerator generator, GenerationOptions how) =>
            evaluator.Evaluate(
                new LocalPolicy(generator, judge, CounterRandom.UInt64(seed, Measuring), batch, most),
                held,
                each,
                how,
                cancellation
            );

        Continuation[] sampled;
        EvaluationFigures before,
            after,
            original;
        using (var two = trained.Load([theta, distilled], scored: true, device, dtype))
        {
            var repeated = Evaluator.Repeated(learnt, result.GetValue(_samples));
            sampled = [.. two.Generate(repeated, distilled, CounterRandom.UInt64(seed, Training), batch, most, cancellation)];
            after = await Measure(two, theta);
            original = kind == DecodingPolicy.Policy ? after : await Measure(two, distilled);
        }
        var pi0 = trained.Reference!;
        using (var initial = TextGenerator.Load(pi0, pi0, device, dtype, side: trained.TruncationSide))
            before = await Measure(initial, plain);
        var hyper = new DistillerOptions(result.GetValue(_epochs), result.GetValue(_rate), result.GetValue(_minibatch), seed, device);
        DistillationReport? report = null;
        await OutputFolder.Write(folder, async partial =>
        {
            Distiller.Train(
                trained.Checkpoint,
                sampled,
                hyper,
                partial,
                (epoch, nll) =>
                {
                    if (!quiet)
                        Console.WriteLine($"epoch {epoch}/{hyper.Epochs}: {Verdict.Figure(nll)} nats a token of {sampled.Length} samples");
                },
                cancellation
            );
            using var one = TextGenerator.Load(partial, pi0, device, dtype, side: trained.TruncationSide);
            report = new DistillationReport(before, after, kind, original, await Measure(one, plain));
        });
        if (quiet)
            Console.WriteLine(report!.ToJson().ToJsonString(JsonLinesFile.Format));
        else
            report!.Write(LineReporter.Plain(Console.Out), report.Distilled.Samples.Count);
        return 0;
    }

    private TrainedPolicy Open(ParseResult result)
    {
        var from = result.GetValue(_source)!;
        Option<string?>[] needed = [_reference, _prompts, _test, _reward];
        var whole = needed.Any(option => result.GetValue(option) is null);
        var trained = TrainedPolicy.Open(from, result.GetValue(_experiment), result.GetValue(_reference), whole);
        return trained.Config is null && needed.FirstOrDefault(option => result.GetValue(option) is null) is { } missing
            ? throw new DfpoException(
                "usage/distill",
                $"{missing.Name} must be given: '{from}' is no run that would say it, and no --experiment does."
            )
            : trained;
    }

    private DecodingPolicy Kind(ParseResult result, TrainedPolicy trained)
    {
        var kind =
            result.GetValue(_policy) is { } chosen ? Options.ParsePolicy(chosen)
            : trained.IsMasked ? DecodingPolicy.Policy
            : DecodingPolicy.Negative;
        return kind != DecodingPolicy.Policy || trained.IsMasked
            ? kind
            : throw new DfpoException(
                "usage/distill",
                $"The policy of '{result.GetValue(_source)}' is drawn under no mask of NLPO, so it is one ordinary model already: 'dfpo export' writes it, and --policy negative distils pi-."
            );
    }

    private IReward Judge(ParseResult result, TrainedPolicy trained, string device)
    {
        var (task, label) = (trained.Config?.Task, result.GetValue(_label));
        return result.GetValue(_reward) is { } classifier
            ? ClassifierReward.Load(classifier, label ?? task?.RewardLabel ?? "pos", TorchDevices.Parse(device))
            : RewardLoading.Local(task! with { RewardLabel = label ?? task.RewardLabel }, TorchDevices.Parse(device));
    }

    private static IReadOnlyList<Prompt> Prompts(ParseResult result, Option<string?> option, TrainedPolicy trained, DatasetSplit split) =>
        result.GetValue(option) is { } file ? PromptSource.Read([], file) : TaskPrompts.Read(trained.Config!.Task, split).Prompts;
}
