using System.Globalization;
using DfPO.Actors.Configuration;
using DfPO.Actors.Experiments;
using DfPO.Learner;
using DfPO.Models.Policies;
using Spectre.Console;

namespace DfPO.Host.Reporting;

/// <summary>One line an iteration, one line an evaluation; for logs and pipes.</summary>
/// <param name="output">Where lines go.</param>
/// <param name="folder">The run's folder; null when there is none.</param>
/// <param name="quiet">Whether only the final report is printed.</param>
public sealed class LineReporter(TextWriter output, string? folder = null, bool quiet = false) : IExperimentObserver
{
    private const int Width = 140;
    private ExperimentConfig _config = new();

    /// <inheritdoc/>
    public void Started(ExperimentConfig config, int iteration)
    {
        _config = config;
        Line(
            $"{config.Name}: {(iteration == 0 ? "starts" : $"goes on after iteration {iteration}")}, {config.Iterations} iterations of {config.Rollout.PromptsPerIteration} prompts{(folder is null ? "" : $", {folder}")}"
        );
    }

    /// <inheritdoc/>
    public void Evaluated(EvaluationReport report)
    {
        var m = report.Metrics;
        string Sure(string name) =>
            FigureTable.Brackets(report.Intervals.TryGetValue(name, out var interval) ? interval : null, Verdict.Figure)
                is { Length: > 0 } brackets
                ? " " + brackets
                : "";
        Line(
            $"{report.Split} after iteration {report.Iteration}, {report.Policy.Symbol()}: reward {Verdict.Figure(m.Reward)}{Sure("reward")}  perplexity {Verdict.Figure(m.Perplexity)}{Sure("perplexity")}"
                + $"  entropy {Verdict.Figure(m.Entropy)}  KL {Verdict.Figure(m.Kl)}  distinct-2 {Verdict.Figure(m.Distinct2)}  length {Verdict.Figure(m.Length)}"
        );
    }

    /// <inheritdoc/>
    public void IterationFinished(IterationReport report)
    {
        var row = new ProgressRow(report, []);
        var masks = double.IsNaN(row.Metric("dfpo/mask_positive"))
            ? ""
            : $"  mask+ {LiveTable.Share(row.Metric("dfpo/mask_positive"))}  mask- {LiveTable.Share(row.Metric("dfpo/mask_negative"))}";
        var staleness = double.IsNaN(row.Metric("async/staleness_mean"))
            ? ""
            : $"  staleness {Verdict.Figure(row.Metric("async/staleness_mean"))}";
        // Where nothing is rolled out, the rule's own figures say how it does.
        var figures = report.Rollout is { } rollout
            ? $"reward {Verdict.Figure(rollout.Reward)}  KL {Verdict.Figure(row.Metric("objective/kl"))}  perplexity {Verdict.Figure(rollout.Perplexity)}"
            : string.Join(
                "  ",
                report
                    .Metrics.Where(metric =>
                        metric.Key.StartsWith("supervised/", StringComparison.Ordinal)
                        || metric.Key.StartsWith("dpo/", StringComparison.Ordinal)
                        || metric.Key.StartsWith("kto/", StringComparison.Ordinal)
                    )
                    .OrderBy(metric => metric.Key, StringComparer.Ordinal)
                    .Select(metric => $"{metric.Key} {Verdict.Figure(metric.Value)}")
            );
        foreach (var warning in report.Warnings)
            Line(Warning(warning));
        Line(
            $"iteration {report.Iteration}/{report.Iterations}: {figures}{masks}{staleness}  {report.TokensPerSecond.ToString("F0", CultureInfo.InvariantCulture)} tokens/s  ETA {Durations.Text(report.Remaining)}"
        );
    }

    /// <inheritdoc/>
    public void WorkersChanged(string role, int count) => Line($"workers: {count} {role}");

    /// <inheritdoc/>
    public void WorkersAwaited(string role, int units, TimeSpan waited, TimeSpan patience) => Line(Waiting(role, units, waited, patience));

    /// <inheritdoc/>
    public void Finished(ExperimentResult result) => FinalReport.Write(Plain(output), result, _config, folder);

    /// <summary>Tells for whom a run waits, and for how long it may.</summary>
    internal static string Waiting(string role, int units, TimeSpan waited, TimeSpan patience) =>
        $"waiting for a {role} worker: {units} units wait, {waited.TotalSeconds:F0} of at most {patience.TotalSeconds:F0} s";

    /// <summary>A guard's warning.</summary>
    internal static string Warning(LearnerWarning warning) => $"warning: {warning.Message} [{warning.Code}]";

    /// <summary>A console without colours and of fixed width.</summary>
    internal static IAnsiConsole Plain(TextWriter output)
    {
        var console = AnsiConsole.Create(
            new AnsiConsoleSettings
            {
                Ansi = AnsiSupport.No,
                ColorSystem = ColorSystemSupport.NoColors,
                Interactive = InteractionSupport.No,
                Out = new AnsiConsoleOutput(output),
            }
        );
        console.Profile.Width = Width;
        return console;
    }

    private void Line(string text)
    {
        if (quiet)
            return;
        output.WriteLine(text);
        output.Flush();
    }
}
