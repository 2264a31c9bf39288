using System.CommandLine;
using System.CommandLine.Parsing;
using DfPO.Actors.Experiments;
using DfPO.Actors.Work;
using DfPO.Host.Configuration;
using DfPO.Host.Generation;
using DfPO.Host.Reporting;
using DfPO.Host.Runs;
using DfPO.Host.Telemetry;
using DfPO.Models.Devices;
using DfPO.Models.Policies;
using DfPO.Rollout;
using DfPO.Tasks.Datasets;
using DfPO.Tasks.Prompts;
using DfPO.Tasks.Rewards;

namespace DfPO.Host.Commands;

/// <summary><c>eval</c>: the figures of a checkpoint or a run on any prompts, and of two runs against each other.</summary>
internal static class EvalCommand
{
    private static readonly DatasetSplit[] s_splits = [DatasetSplit.Test, DatasetSplit.Validation, DatasetSplit.Train];

    public static Command Create()
    {
        var checkpoint = new Argument<string?>("checkpoint") { Description = "Checkpoint folder of the policy, or a run's folder, whose best weights and experiment are taken.", Arity = ArgumentArity.ZeroOrOne };
        var experiment = Options.Experiment();
        var reference = Options.Optional<string>("--reference", "Checkpoint folder of pi_0: masks, perplexity and KL need it.");
        var prompts = Options.Optional<string>("--prompts", "Prompts: a .jsonl file with id and text, or a text file with one a line; otherwise those of the experiment.");
        var split = Options.Of("--split", "Split of the experiment's data.", "test");
        split.AcceptOnlyFromAmong([.. s_splits.Select(value => Kebab.Of(value.ToString()))]);
        var limit = Options.AtLeast("--limit", "Most prompts, the first ones; 0 takes all.", 0, 0);
        var each = Options.AtLeast("--samples-per-prompt", "Continuations of each prompt.", 1, 1);
        var reward = Options.Optional<string>("--reward-model", "Checkpoint folder of the classifier that rewards; otherwise the experiment's reward.");
        var label = Options.Of("--reward-label", "The class whose probability is the reward.", "pos");
        var policies = new Option<string[]>("--policies") { Description = "Decoding policies to evaluate.", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => ["policy", "negative"] };
        policies.AcceptOnlyFromAmong("policy", "negative", "positive");
        var metrics = new Option<string[]>("--metrics") { Description = $"Text metrics: {string.Join(", ", EvaluationMetrics.Names)}; otherwise the experiment's.", AllowMultipleArgumentsPerToken = true };
        var longest = Options.AtLeast("--max-prompt-tokens", "Longest prompt; longer ones lose their beginning.", 1, 64);
        var samples = Options.AtLeast("--samples", "Continuations to print a policy.", 0, 0);
        var output = Options.Optional<string>("--output", "A .jsonl file for all continuations with their rewards.");
        var json = new Option<bool>("--json") { Description = "One JSON object a policy." };
        var compare = new Option<string[]>("--compare") { Description = "Two runs' folders: paired differences of their test continuations, with intervals.", AllowMultipleArgumentsPerToken = true, Arity = new ArgumentArity(2, 2) };
        var sampling = new SamplingOptions();
        var command = new Command("eval", """
            Measure a checkpoint on prompts: reward with its 95 % interval, perplexity under the reference, diversity, length, KL, text metrics. Examples:
              dfpo eval runs/NAME --samples-per-prompt 25 --metrics toxicity
              dfpo eval my-policy --reference models/imdb-tiny/policy --prompts models/imdb-tiny/prompts/test.jsonl --reward-model models/imdb-tiny/reward
              dfpo eval --compare runs/A runs/B
            A policy trained by NLPO is drawn under its mask, as in its run. A copy of its checkpoint with a folder mask in it needs --experiment for that, and is refused without.
            """) { checkpoint, experiment, reference, prompts, split, limit, each, reward, label, policies, metrics, longest, samples, output, json, compare };
        sampling.AddTo(command);
        command.Validators.Add(Complete);
        command.SetAction((result, cancellation) => Task.Run(() => Run(result, cancellation), CancellationToken.None));
        return command;

        void Complete(CommandResult result)
        {
            if (result.GetResult(compare) is { Implicit: false })
                return;
            var policy = result.GetResult(checkpoint) is { Tokens: [var token] } ? token.Value : null;
            if (policy is null)
                result.AddError("eval needs a checkpoint or a run's folder, or --compare with two of them.");
            else if (result.GetResult(experiment) is null && TrainedPolicy.ExperimentOf(policy, null) is null)
                foreach (var option in new[] { reference, prompts, reward })
                    if (result.GetResult(option) is null)
                        result.AddError($"{option.Name} is required: '{policy}' is no run that would say it, and no --experiment does.");
        }

        int Run(ParseResult result, CancellationToken cancellation)
        {
            if (result.GetValue(compare) is [var a, var b])
            {
                RunComparison.Print(LineReporter.Plain(Console.Out), RunComparison.Of([a], [b]), [a], [b]);
                return 0;
            }
            var trained = TrainedPolicy.Open(result.GetValue(checkpoint)!, result.GetValue(experiment), result.GetValue(reference),
                whole: new[] { reference, prompts, reward }.Any(option => result.GetValue(option) is null));
            var (config, options) = (trained.Config, sampling.Generation(result, trained.Evaluated));
            var repeats = Math.Max(1, result.GetValue(each));
            var part = s_splits.First(value => Kebab.Of(value.ToString()) == result.GetValue(split));
            IReadOnlyList<Prompt> set = result.GetValue(prompts) is { } named ? PromptSource.Read([], named) : TaskPrompts.Read(config!.Task, part).Prompts;
            if (result.GetValue(limit) is > 0 and var most)
                set = [.. set.Take(most)];
            using var telemetry = HostTelemetry.Start("eval");
            var (seed, dtype, device, batch) = sampling.Engine(result);
            GenerationOptions[] decodings = [.. result.GetValue(policies)!.Distinct().Select(name => trained.Decoding(options, Options.ParsePolicy(name)))];
            using var generator = trained.Load(decodings, scored: true, device, dtype);
            using var judge = result.GetValue(reward) is { } classifier
                ? ClassifierReward.Load(classifier, result.GetValue(label)!, TorchDevices.Parse(device))
                : RewardLoading.Local(config!.Task, TorchDevices.Parse(device));
            var measured = (config ?? new ExperimentConfig()) is var basis && result.GetValue(metrics) is { Length: > 0 } chosen ? basis with { Evaluation = basis.Evaluation with { Metrics = chosen } } : config ?? new ExperimentConfig();
            List<Evaluation> evaluations = [];
            Prompt[] repeated = [.. Enumerable.Repeat(set, repeats).SelectMany(all => all)];
            var likelihood = measured.Evaluation.Metrics.Contains(EvaluationMetrics.ReferencePerplexity) ? generator.ReferencePerplexity(set) : (double?)null;
            foreach (var decoding in decodings)
            {
                var room = result.GetResult(longest) is { Implicit: false } || config is null ? result.GetValue(longest) : config.Task.MaxPromptTokens;
                Continuation[] continuations = [.. generator.Generate(repeated, decoding, seed, batch, room, cancellation)];
                evaluations.Add(Evaluation.Of(measured, decoding.Policy, continuations, [.. continuations.Chunk(batch).SelectMany(chunk => judge.Score([.. chunk.Select(Evaluation.Text)]))], decoding.Policy == DecodingPolicy.Policy ? likelihood : null));
            }
            if (result.GetValue(output) is { } predictions)
                File.WriteAllLines(predictions, evaluations.SelectMany(evaluation => evaluation.Lines()).Select(line => line.ToJsonString(JsonLinesFile.Format)));
            if (result.GetValue(json))
                evaluations.ForEach(evaluation => Console.WriteLine(evaluation.Figures().ToJsonString(JsonLinesFile.Format)));
            else
                Evaluation.Print(LineReporter.Plain(Console.Out), evaluations, set.Count, result.GetValue(samples));
            return 0;
        }
    }
}
