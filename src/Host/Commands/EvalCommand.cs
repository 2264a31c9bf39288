using System.CommandLine;
using System.Text.Json.Nodes;
using DfPO.Host.Generation;
using DfPO.Host.Reporting;
using DfPO.Host.Runs;
using DfPO.Host.Telemetry;
using DfPO.Models.Devices;
using DfPO.Models.Policies;
using DfPO.Tasks.Metrics;
using DfPO.Tasks.Prompts;
using DfPO.Tasks.Rewards;
using Spectre.Console;

namespace DfPO.Host.Commands;

/// <summary><c>eval</c>: the figures of a checkpoint on a file of prompts.</summary>
internal static class EvalCommand
{
    public static Command Create()
    {
        var checkpoint = new Argument<string>("checkpoint") { Description = "Checkpoint folder of the policy." };
        var reference = Options.Required<string>("--reference", "Checkpoint folder of pi_0: masks, perplexity and KL need it.");
        var prompts = Options.Required<string>("--prompts", "Prompts: a .jsonl file with id and text, or a text file with one a line.");
        var reward = Options.Required<string>("--reward-model", "Checkpoint folder of the classifier that rewards.");
        var label = Options.Of("--reward-label", "The class whose probability is the reward.", "pos");
        var policies = new Option<string[]>("--policies") { Description = "Decoding policies to evaluate.", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => ["policy", "negative"] };
        policies.AcceptOnlyFromAmong("policy", "negative", "positive");
        var longest = Options.AtLeast("--max-prompt-tokens", "Longest prompt; longer ones lose their beginning.", 1, 64);
        var samples = Options.AtLeast("--samples", "Continuations to print a policy.", 0, 0);
        var output = Options.Optional<string>("--output", "A .jsonl file for all continuations with their rewards.");
        var json = new Option<bool>("--json") { Description = "One JSON object a policy." };
        var sampling = new SamplingOptions();
        var command = new Command("eval", """
            Measure a checkpoint on prompts: reward, perplexity under the reference, diversity, length, KL. Example:
              dfpo eval runs/NAME/best/iteration-00035 --reference models/imdb-tiny/policy --prompts models/imdb-tiny/prompts/test.jsonl --reward-model models/imdb-tiny/reward
            """) { checkpoint, reference, prompts, reward, label, policies, longest, samples, output, json };
        sampling.AddTo(command);
        command.SetAction((result, cancellation) => Task.Run(() => Run(result, cancellation), CancellationToken.None));
        return command;

        int Run(ParseResult result, CancellationToken cancellation)
        {
            var generation = sampling.Generation(result);
            var set = PromptSource.Read([], result.GetValue(prompts));
            using var telemetry = HostTelemetry.Start("eval");
            var (seed, dtype, device, batch) = sampling.Engine(result);
            using var generator = TextGenerator.Load(result.GetValue(checkpoint)!, result.GetValue(reference), device, dtype);
            using var judge = ClassifierReward.Load(result.GetValue(reward)!, result.GetValue(label)!, TorchDevices.Parse(device));
            List<Evaluation> evaluations = [];
            foreach (var policy in result.GetValue(policies)!.Distinct().Select(Options.ParsePolicy))
            {
                Continuation[] continuations = [.. generator.Generate(set, generation with { Policy = policy }, seed, batch, result.GetValue(longest), cancellation)];
                evaluations.Add(Evaluation.Of(policy, continuations, [.. continuations.Chunk(batch).SelectMany(chunk => judge.Score([.. chunk.Select(c => new PromptContinuation(c.Prompt.Text, c.Text))]))]));
            }
            if (result.GetValue(output) is { } path)
                File.WriteAllLines(path, evaluations.SelectMany(evaluation => evaluation.Lines()).Select(line => line.ToJsonString(JsonLinesFile.Format)));
            if (result.GetValue(json))
                evaluations.ForEach(evaluation => Console.WriteLine(evaluation.Figures().ToJsonString(JsonLinesFile.Format)));
            else
                Print(evaluations, set, result.GetValue(samples));
            return 0;
        }
    }

    private static void Print(List<Evaluation> evaluations, IReadOnlyList<Prompt> prompts, int samples)
    {
        var console = LineReporter.Plain(Console.Out);
        var table = new Table().Title($"{prompts.Count} prompts").Border(TableBorder.Rounded).AddColumn("");
        foreach (var (name, _) in FinalReport.Columns)
            table.AddColumn(new TableColumn(name).RightAligned());
        foreach (var evaluation in evaluations)
            table.AddRow([MetricNames.Symbol(evaluation.Policy), .. FinalReport.Columns.Select(column => Verdict.Figure(column.Value(evaluation.Metrics)))]);
        console.Write(table);
        foreach (var evaluation in evaluations)
            foreach (var (continuation, reward) in evaluation.Continuations.Zip(evaluation.Rewards).Take(samples))
                console.WriteLine($"{MetricNames.Symbol(evaluation.Policy)} [{Verdict.Figure(reward)}] {continuation.Prompt.Text}|{continuation.Text}");
    }

    private sealed record Evaluation(DecodingPolicy Policy, IReadOnlyList<Continuation> Continuations, IReadOnlyList<float> Rewards, GenerationMetrics Metrics)
    {
        public static Evaluation Of(DecodingPolicy policy, IReadOnlyList<Continuation> continuations, IReadOnlyList<float> rewards) => new(policy, continuations, rewards,
            GenerationMetrics.Compute([.. continuations.Zip(rewards, (c, reward) =>
                new EvaluatedContinuation(c.Text, c.Sequence.Tokens.Length, reward, Sum(c.Sequence.Logprobs), Sum(c.Sequence.ReferenceLogprobs), Sum(c.Sequence.StateKl)))]));

        public JsonObject Figures()
        {
            var line = new JsonObject { ["policy"] = MetricNames.Of(Policy), ["prompts"] = Continuations.Count };
            foreach (var (name, value) in MetricNames.Of("", Metrics))
                line[name] = double.IsFinite(value) ? value : null;
            return line;
        }

        public IEnumerable<JsonObject> Lines() => Continuations.Zip(Rewards, (c, reward) => new JsonObject
        {
            ["policy"] = MetricNames.Of(Policy),
            ["id"] = c.Prompt.Id,
            ["prompt"] = c.Prompt.Text,
            ["continuation"] = c.Text,
            ["reward"] = reward,
        });

        private static double Sum(float[] values) => values.Sum(value => (double)value);
    }
}
