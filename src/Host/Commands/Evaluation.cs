using System.Text.Json.Nodes;
using DfPO.Actors.Evaluation;
using DfPO.Host.Reporting;
using DfPO.Host.Runs;
using DfPO.Models.Options;
using DfPO.Models.Policies;
using DfPO.Rollout;
using Spectre.Console;

namespace DfPO.Host.Commands;

/// <summary>What <c>eval</c> found out about one decoding.</summary>
/// <param name="Source">The checkpoint or run.</param>
/// <param name="Decoding">What decoded.</param>
/// <param name="Figures">The figures.</param>
internal sealed record Evaluation(string Source, GenerationOptions Decoding, EvaluationFigures Figures)
{
    /// <summary>
    /// The decoding in words: the policy, and of a masked one its tolerance, and its rule where that is not the usual one.
    /// </summary>
    public string Name =>
        Decoding.Policy == DecodingPolicy.Policy
            ? Decoding.Policy.Symbol()
            : FormattableString.Invariant(
                $"{Decoding.Policy.Symbol()}, tau {Decoding.Tolerance}{(Decoding.MaskRule == KlMaskRule.Sign ? "" : $", {Kebab.Of(Decoding.MaskRule.ToString())}")}"
            );

    /// <summary>Prints the policies side by side.</summary>
    public static void Print(IAnsiConsole console, IReadOnlyList<Evaluation> evaluations, int prompts, int samples)
    {
        var table = new FigureTable($"{prompts} prompts, {evaluations[0].Figures.Samples.Count} continuations each row, 95 % intervals");
        foreach (var evaluation in evaluations)
            table.Add(evaluation.Name, evaluation.Figures.Metrics, evaluation.Figures.Intervals);
        console.Write(table.Table);
        if (evaluations[0].Figures.Texts.Count > 0)
        {
            var texts = new Table().Border(TableBorder.Rounded).AddColumn("text metric");
            foreach (var evaluation in evaluations)
                texts.AddColumn(new TableColumn(evaluation.Name).RightAligned());
            foreach (var name in evaluations[0].Figures.Texts.Keys)
                texts.AddRow([name, .. evaluations.Select(one => FigureTable.Text(one.Figures.Texts, one.Figures.Intervals, name))]);
            console.Write(texts);
        }
        foreach (var evaluation in evaluations)
            foreach (var sample in evaluation.Figures.Samples.Take(samples))
                console.WriteLine($"{evaluation.Name} [{Verdict.Figure(sample.Reward)}] {sample.Prompt}|{sample.Continuation}");
    }

    /// <summary>The figures as one object.</summary>
    public JsonObject Line()
    {
        var line = new JsonObject
        {
            ["source"] = Source,
            ["decoding"] = Name,
            ["policy"] = Decoding.Policy.Name(),
        };
        if (Decoding.Policy != DecodingPolicy.Policy)
            (line["mask_rule"], line["tolerance"]) = (Kebab.Of(Decoding.MaskRule.ToString()), Decoding.Tolerance);
        line["prompts"] = Figures.Samples.Select(sample => sample.PromptId).Distinct().Count();
        line["continuations"] = Figures.Samples.Count;
        foreach (var (name, value) in MetricNames.Of("", Figures.Metrics).Concat(Figures.Texts))
            line[name] = double.IsFinite(value) ? value : null;
        line["intervals"] = MetricNames.Of(Figures.Intervals);
        return line;
    }

    /// <summary>An object a continuation.</summary>
    public IEnumerable<JsonObject> Lines() =>
        Figures.Samples.Select(sample =>
        {
            var line = RunLines.Of(sample);
            line.Insert(0, "policy", Decoding.Policy.Name());
            if (Decoding.Policy != DecodingPolicy.Policy)
                line.Insert(1, "tolerance", Decoding.Tolerance);
            return line;
        });
}
