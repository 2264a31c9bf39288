using System.CommandLine;
using System.CommandLine.Parsing;
using DfPO.Actors.Configuration;
using DfPO.Actors.Evaluation;
using DfPO.Actors.Experiments;
using DfPO.Actors.Work;
using DfPO.Host.Generation;
using DfPO.Host.Reporting;
using DfPO.Host.Runs;
using DfPO.Host.Telemetry;
using DfPO.Models;
using DfPO.Models.Devices;
using DfPO.Models.Options;
using DfPO.Models.Policies;
using DfPO.Rollout;
using DfPO.Tasks.Datasets;
using DfPO.Tasks.Prompts;
using DfPO.Tasks.Rewards;

namespace DfPO.Host.Commands;

/// <summary>
/// <c>eval</c>: the figures of a checkpoint or a run on any prompts, under any decodings, and of runs against each other.
/// </summary>
internal sealed class EvalCommand
{
    private static readonly DatasetSplit[] s_splits = [DatasetSplit.Test, DatasetSplit.Validation, DatasetSplit.Train];
    private readonly Argument<string?> _checkpoint = new("checkpoint")
    {
        Description = "Checkpoint folder of the policy, or a run's folder, whose best weights and experiment are taken.",
        Arity = ArgumentArity.ZeroOrOne,
    };
    private readonly Option<string?> _experiment = Options.Experiment();
    private readonly Option<string?> _reference = Options.Optional<string>(
        "--reference",
        "Checkpoint folder of pi_0: masks, perplexity and KL need it. Of a run: the model that training started from."
    );
    private readonly Option<string?> _prompts = Options.Optional<string>(
        "--prompts",
        "Prompts: a .jsonl file with id and text (or messages), or a text file with one a line; otherwise those of the experiment."
    );
    private readonly Option<string> _split = Options.Of("--split", "Split of the experiment's data.", "test");
    private readonly Option<int> _limit = Options.AtLeast("--limit", "Most prompts, the first ones; 0 takes all.", 0, 0);
    private readonly Option<int> _each = Options.AtLeast("--samples-per-prompt", "Continuations of each prompt.", 1, 1);
    private readonly Option<string?> _reward = Options.Optional<string>(
        "--reward-model",
        "Checkpoint folder of the classifier that rewards; otherwise the experiment's reward."
    );
    private readonly Option<string> _label = Options.Of("--reward-label", "The class whose probability is the reward.", "pos");
    private readonly Option<DecodingPolicy[]> _policies = Options.Policies();
    private readonly Option<string[]> _metrics = new("--metrics")
    {
        Description = $"Text metrics: {string.Join(", ", EvaluationMetrics.Names)}; otherwise the experiment's.",
        AllowMultipleArgumentsPerToken = true,
    };
    private readonly Option<string?> _judge = Options.Optional<string>(
        "--perplexity-model",
        "Checkpoint folder of a judge that has no part in training, for the metric model-perplexity, which it asks for; otherwise the experiment's."
    );
    private readonly Option<int> _longest = Options.AtLeast(
        "--max-prompt-tokens",
        "Longest prompt; longer ones lose their beginning.",
        1,
        64
    );
    private readonly Option<int> _samples = Options.AtLeast("--samples", "Continuations to print a decoding.", 0, 0);
    private readonly Option<string?> _output = Options.Optional<string>(
        "--output",
        "A .jsonl file for all continuations with their figures."
    );
    private readonly Option<bool> _json = new("--json")
    {
        Description = "One JSON object a decoding, or a compared figure; 'dfpo report --decodings' draws those of decodings.",
    };
    private readonly Option<string[]> _compare = new("--compare")
    {
        Description =
            "Two sides, each a run's folder or several, separated by commas, that differ in their seeds: differences of their test continuations, paired by prompt, with intervals.",
        AllowMultipleArgumentsPerToken = true,
        Arity = new ArgumentArity(2, 2),
    };
    private readonly SamplingOptions _sampling = new(severalTolerances: true);

    private EvalCommand() => _split.AcceptOnlyFromAmong([.. s_splits.Select(value => Kebab.Of(value.ToString()))]);

    public static Command Create()
    {
        var eval = new EvalCommand();
        var command = new Command(
            "eval",
            """
            Measure a checkpoint on prompts: reward, perplexity under the reference, entropy, KL, diversity, length, each with its 95 % interval, and text metrics. Examples:
              dfpo eval runs/NAME --samples-per-prompt 25 --metrics toxicity
              dfpo eval runs/NAME --policies pi_theta,pi- --tolerance 0,0.1,0.2,0.4 --json > decodings.jsonl
              dfpo eval my-policy --reference models/imdb-tiny/policy --prompts models/imdb-tiny/prompts/test.jsonl --reward-model models/imdb-tiny/reward
              dfpo eval --compare runs/A runs/B
              dfpo eval --compare runs/A.s1,runs/A.s2,runs/A.s3 runs/B.s1,runs/B.s2,runs/B.s3
            Several tolerances draw the frontier of one policy, whatever trained it: reward against KL, entropy and perplexity.
            A policy trained by NLPO is drawn under its mask, as in its run. A copy of its checkpoint with a folder mask in it needs --experiment for that, and is refused without.
            """
        )
        {
            eval._checkpoint,
            eval._experiment,
            eval._reference,
            eval._prompts,
            eval._split,
            eval._limit,
            eval._each,
            eval._reward,
            eval._label,
            eval._policies,
            eval._metrics,
            eval._judge,
            eval._longest,
            eval._samples,
            eval._output,
            eval._json,
            eval._compare,
        };
        eval._sampling.AddTo(command);
        command.Validators.Add(eval.Complete);
        command.SetAction((result, cancellation) => Task.Run(() => eval.Run(result, cancellation), CancellationToken.None));
        return command;
    }

    private void Complete(CommandResult result)
    {
        if (result.GetResult(_compare) is { Implicit: false })
            return;
        var policy = result.GetResult(_checkpoint) is { Tokens: [var token] } ? token.Value : null;
        if (policy is null)
            result.AddError("eval needs a checkpoint or a run's folder, or --compare with two of them.");
        else if (result.GetResult(_experiment) is null && TrainedPolicy.ExperimentOf(policy, null) is null)
            foreach (var option in new[] { _reference, _prompts, _reward })
                if (result.GetResult(option) is null)
                    result.AddError($"{option.Name} is required: '{policy}' is no run that would say it, and no --experiment does.");
    }

    private async Task<int> Run(ParseResult result, CancellationToken cancellation)
    {
        if (result.GetValue(_compare) is [var a, var b])
            return Compare(Folders(a), Folders(b), result.GetValue(_json));
        var trained = TrainedPolicy.Open(
            result.GetValue(_checkpoint)!,
            result.GetValue(_experiment),
            result.GetValue(_reference),
            whole: new[] { _reference, _prompts, _reward }.Any(option => result.GetValue(option) is null)
        );
        var set = Prompts(result, trained.Config);
        using var telemetry = HostTelemetry.Start("eval");
        var evaluations = await Evaluate(result, trained, set, cancellation);
        if (result.GetValue(_output) is { } predictions)
            File.WriteAllLines(
                predictions,
                evaluations.SelectMany(evaluation => evaluation.Lines()).Select(line => line.ToJsonString(JsonLinesFile.Format))
            );
        if (result.GetValue(_json))
            evaluations.ForEach(evaluation => Console.WriteLine(evaluation.Line().ToJsonString(JsonLinesFile.Format)));
        else
            Evaluation.Print(LineReporter.Plain(Console.Out), evaluations, set.Count, result.GetValue(_samples));
        return 0;
    }

    private static string[] Folders(string side) =>
        side.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) is { Length: > 0 } folders
            ? folders
            : throw new DfpoException("usage/compare", "--compare needs two sides, each a run's folder or several, separated by commas.");

    private static int Compare(string[] a, string[] b, bool json)
    {
        var rows = RunComparison.Of(a, b);
        if (json)
            foreach (var row in rows)
                Console.WriteLine(row.ToJson().ToJsonString(JsonLinesFile.Format));
        else
            RunComparison.Print(LineReporter.Plain(Console.Out), rows, a, b);
        return 0;
    }

    private IReadOnlyList<Prompt> Prompts(ParseResult result, ExperimentConfig? config)
    {
        var part = s_splits.First(value => Kebab.Of(value.ToString()) == result.GetValue(_split));
        var set = result.GetValue(_prompts) is { } named ? PromptSource.Read([], named) : TaskPrompts.Read(config!.Task, part).Prompts;
        return result.GetValue(_limit) is > 0 and var most ? [.. set.Take(most)] : set;
    }

    private async Task<List<Evaluation>> Evaluate(
        ParseResult result,
        TrainedPolicy trained,
        IReadOnlyList<Prompt> set,
        CancellationToken cancellation
    )
    {
        var options = _sampling.Generation(result, trained.Evaluated);
        var (seed, dtype, device, batch) = _sampling.Engine(result);
        // Only a KL mask has a tolerance, so the policy by itself is measured once.
        GenerationOptions[] decodings =
        [
            .. result
                .GetValue(_policies)!
                .Distinct()
                .SelectMany(
                    policy => policy == DecodingPolicy.Policy ? [options] : _sampling.Tolerances(result, options),
                    (policy, how) => trained.Decoding(how, policy)
                ),
        ];
        using var generator = trained.Load(decodings, scored: true, device, dtype);
        using var judge = result.GetValue(_reward) is { } classifier
            ? ClassifierReward.Load(classifier, result.GetValue(_label)!, TorchDevices.Parse(device))
            : RewardLoading.Local(trained.Config!.Task, TorchDevices.Parse(device));
        var room =
            result.GetResult(_longest) is { Implicit: false } || trained.Config is null
                ? result.GetValue(_longest)
                : trained.Config.Task.MaxPromptTokens;
        var evaluator = new Evaluator(Measured(result, trained.Config ?? new()));
        var policy = new LocalPolicy(generator, judge, seed, batch, room);
        List<Evaluation> evaluations = [];
        foreach (var decoding in decodings)
        {
            var figures = await evaluator.Evaluate(policy, set, result.GetValue(_each), decoding, cancellation);
            evaluations.Add(new(result.GetValue(_checkpoint)!, decoding, figures));
        }
        return evaluations;
    }

    private ExperimentConfig Measured(ParseResult result, ExperimentConfig config)
    {
        var evaluation = config.Evaluation;
        if (result.GetValue(_metrics) is { Length: > 0 } chosen)
            evaluation = evaluation with { Metrics = chosen };
        if (result.GetValue(_judge) is { } folder)
            evaluation = evaluation with
            {
                PerplexityModel = folder,
                Metrics = [.. evaluation.Metrics.Union([EvaluationMetrics.PerplexityUnderModel])],
            };
        return config with { Evaluation = evaluation };
    }
}
