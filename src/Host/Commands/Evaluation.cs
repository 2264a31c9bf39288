using System.Text.Json.Nodes;
using DfPO.Actors.Experiments;
using DfPO.Host.Generation;
using DfPO.Host.Reporting;
using DfPO.Host.Runs;
using DfPO.Models.Policies;
using DfPO.Tasks.Metrics;
using DfPO.Tasks.Rewards;
using Spectre.Console;

namespace DfPO.Host.Commands;

/// <summary>What <c>eval</c> found out about one decoding policy.</summary>
/// <param name="Policy">What decoded.</param>
/// <param name="Continuations">In the order of the prompts, which come again for each further sample.</param>
/// <param name="Rewards">Their rewards.</param>
/// <param name="Metrics">Figures of the whole.</param>
/// <param name="Reward">Mean reward with its 95 % interval; prompts are resampled, not samples.</param>
/// <param name="Texts">Text metrics by name.</param>
internal sealed record Evaluation(
    DecodingPolicy Policy, IReadOnlyList<Continuation> Continuations, IReadOnlyList<float> Rewards, GenerationMetrics Metrics, Interval Reward, IReadOnlyDictionary<string, double> Texts)
{
    /// <summary>Computes the figures.</summary>
    /// <param name="config">The experiment, with its metrics.</param>
    /// <param name="policy">What decoded.</param>
    /// <param name="continuations">Continuations.</param>
    /// <param name="rewards">Their rewards.</param>
    /// <param name="referencePerplexity">That metric, if asked for and a figure of this policy.</param>
    public static Evaluation Of(ExperimentConfig config, DecodingPolicy policy, IReadOnlyList<Continuation> continuations, IReadOnlyList<float> rewards, double? referencePerplexity)
    {
        Sample[] samples = [.. continuations.Zip(rewards, (c, reward) => new Sample(c.Prompt.Id, c.Prompt.Text, c.Text, reward))];
        var metrics = GenerationMetrics.Compute([.. continuations.Zip(rewards, (c, reward) =>
            new EvaluatedContinuation(c.Text, c.Sequence.Tokens.Length, reward, Sum(c.Sequence.Logprobs), Sum(c.Sequence.ReferenceLogprobs), Sum(c.Sequence.StateKl)))]);
        double[] perPrompt = [.. samples.GroupBy(sample => sample.PromptId).Select(prompt => prompt.Average(sample => sample.Reward))];
        return new(policy, continuations, rewards, metrics, Bootstrap.Mean(perPrompt), EvaluationMetrics.Of(config, [.. continuations.Select(Text)], samples, referencePerplexity));
    }

    /// <summary>As rewards take it.</summary>
    public static PromptContinuation Text(Continuation continuation) => new(continuation.Prompt.Text, continuation.Text) { References = continuation.Prompt.References, Concepts = continuation.Prompt.Concepts };

    /// <summary>Prints the policies side by side.</summary>
    public static void Print(IAnsiConsole console, IReadOnlyList<Evaluation> evaluations, int prompts, int samples)
    {
        var table = new Table().Title($"{prompts} prompts, {evaluations[0].Continuations.Count} continuations each row").Border(TableBorder.Rounded).AddColumn("");
        foreach (var (name, _) in FinalReport.Columns)
            table.AddColumn(new TableColumn(name).RightAligned());
        table.AddColumn(new TableColumn("95 % of reward").RightAligned());
        foreach (var evaluation in evaluations)
            table.AddRow([MetricNames.Symbol(evaluation.Policy), .. FinalReport.Columns.Select(column => Verdict.Figure(column.Value(evaluation.Metrics))),
                $"{Verdict.Figure(evaluation.Reward.Low)} to {Verdict.Figure(evaluation.Reward.High)}"]);
        console.Write(table);
        if (evaluations[0].Texts.Count > 0)
        {
            var texts = new Table().Border(TableBorder.Rounded).AddColumn("text metric");
            foreach (var evaluation in evaluations)
                texts.AddColumn(new TableColumn(MetricNames.Symbol(evaluation.Policy)).RightAligned());
            foreach (var name in evaluations[0].Texts.Keys)
                texts.AddRow([name, .. evaluations.Select(evaluation => Verdict.Figure(evaluation.Texts.GetValueOrDefault(name, double.NaN)))]);
            console.Write(texts);
        }
        foreach (var evaluation in evaluations)
            foreach (var (continuation, reward) in evaluation.Continuations.Zip(evaluation.Rewards).Take(samples))
                console.WriteLine($"{MetricNames.Symbol(evaluation.Policy)} [{Verdict.Figure(reward)}] {continuation.Prompt.Text}|{continuation.Text}");
    }

    /// <summary>The figures as one object.</summary>
    public JsonObject Figures()
    {
        var line = new JsonObject { ["policy"] = MetricNames.Of(Policy), ["prompts"] = Continuations.Select(c => c.Prompt.Id).Distinct().Count(), ["continuations"] = Continuations.Count };
        foreach (var (name, value) in MetricNames.Of("", Metrics).Concat(Texts))
            line[name] = double.IsFinite(value) ? value : null;
        (line["reward_low"], line["reward_high"]) = (Reward.Low, Reward.High);
        return line;
    }

    /// <summary>An object a continuation.</summary>
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
