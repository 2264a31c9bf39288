using System.Text.Json.Nodes;
using DfPO.Actors.Configuration;
using DfPO.Actors.Evaluation;
using DfPO.Host.Configuration;
using DfPO.Host.Generation;
using DfPO.Host.Reporting;
using DfPO.Host.Runs;
using DfPO.Models.Options;
using DfPO.Models.Policies;
using DfPO.Rollout;
using DfPO.Tasks.Metrics;
using DfPO.Tasks.Rewards;
using Spectre.Console;

namespace DfPO.Host.Commands;

/// <summary>What <c>eval</c> found out about one decoding.</summary>
/// <param name="Source">The checkpoint or run.</param>
/// <param name="Decoding">What decoded.</param>
/// <param name="Samples">In the order of the prompts, which come again for each further sample.</param>
/// <param name="Metrics">Figures of the whole.</param>
/// <param name="Intervals">How sure they are, by name: prompts are resampled, not samples.</param>
/// <param name="Texts">Text metrics by name.</param>
internal sealed record Evaluation(
    string Source, GenerationOptions Decoding, IReadOnlyList<Sample> Samples, GenerationMetrics Metrics, IReadOnlyDictionary<string, Interval> Intervals, IReadOnlyDictionary<string, double> Texts)
{
    /// <summary>Computes the figures.</summary>
    /// <param name="config">The experiment, with its metrics.</param>
    /// <param name="source">The checkpoint or run.</param>
    /// <param name="decoding">What decoded.</param>
    /// <param name="continuations">Continuations.</param>
    /// <param name="rewards">Their rewards.</param>
    /// <param name="referencePerplexity">That metric, if asked for and a figure of this policy.</param>
    public static Evaluation Of(ExperimentConfig config, string source, GenerationOptions decoding, IReadOnlyList<Continuation> continuations, IReadOnlyList<float> rewards, double? referencePerplexity)
    {
        Sample[] samples = [.. continuations.Zip(rewards, (c, reward) => EvaluationMetrics.Sample(c.Prompt, c.Text, reward, c.Sequence))];
        var (texts, intervals) = EvaluationMetrics.Of(config, [.. continuations.Select(Text)], samples, referencePerplexity);
        return new(source, decoding, samples, GenerationMetrics.Compute(samples), FigureIntervals.Of(samples).Concat(intervals).ToDictionary(), texts);
    }

    /// <summary>The decoding in words: the policy, and of a masked one its tolerance, and its rule where that is not the usual one.</summary>
    public string Name => Decoding.Policy == DecodingPolicy.Policy ? MetricNames.Symbol(Decoding.Policy)
        : FormattableString.Invariant($"{MetricNames.Symbol(Decoding.Policy)}, tau {Decoding.Tolerance}{(Decoding.MaskRule == KlMaskRule.Sign ? "" : $", {Kebab.Of(Decoding.MaskRule.ToString())}")}");

    /// <summary>As rewards take it.</summary>
    public static PromptContinuation Text(Continuation continuation) => new(continuation.Prompt.Text, continuation.Text) { References = continuation.Prompt.References, Concepts = continuation.Prompt.Concepts };

    /// <summary>Prints the policies side by side.</summary>
    public static void Print(IAnsiConsole console, IReadOnlyList<Evaluation> evaluations, int prompts, int samples)
    {
        var table = new FigureTable($"{prompts} prompts, {evaluations[0].Samples.Count} continuations each row, 95 % intervals");
        foreach (var evaluation in evaluations)
            table.Add(evaluation.Name, evaluation.Metrics, evaluation.Intervals);
        console.Write(table.Table);
        if (evaluations[0].Texts.Count > 0)
        {
            var texts = new Table().Border(TableBorder.Rounded).AddColumn("text metric");
            foreach (var evaluation in evaluations)
                texts.AddColumn(new TableColumn(evaluation.Name).RightAligned());
            foreach (var name in evaluations[0].Texts.Keys)
                texts.AddRow([name, .. evaluations.Select(evaluation => FigureTable.Text(evaluation.Texts, evaluation.Intervals, name))]);
            console.Write(texts);
        }
        foreach (var evaluation in evaluations)
            foreach (var sample in evaluation.Samples.Take(samples))
                console.WriteLine($"{evaluation.Name} [{Verdict.Figure(sample.Reward)}] {sample.Prompt}|{sample.Continuation}");
    }

    /// <summary>The figures as one object.</summary>
    public JsonObject Figures()
    {
        var line = new JsonObject { ["source"] = Source, ["decoding"] = Name, ["policy"] = MetricNames.Of(Decoding.Policy) };
        if (Decoding.Policy != DecodingPolicy.Policy)
            (line["mask_rule"], line["tolerance"]) = (Kebab.Of(Decoding.MaskRule.ToString()), Decoding.Tolerance);
        (line["prompts"], line["continuations"]) = (Samples.Select(sample => sample.PromptId).Distinct().Count(), Samples.Count);
        foreach (var (name, value) in MetricNames.Of("", Metrics).Concat(Texts))
            line[name] = double.IsFinite(value) ? value : null;
        line["intervals"] = MetricNames.Of(Intervals);
        return line;
    }

    /// <summary>An object a continuation.</summary>
    public IEnumerable<JsonObject> Lines() => Samples.Select(sample =>
    {
        var line = RunLines.Of(sample);
        line.Insert(0, "policy", MetricNames.Of(Decoding.Policy));
        if (Decoding.Policy != DecodingPolicy.Policy)
            line.Insert(1, "tolerance", Decoding.Tolerance);
        return line;
    });
}
