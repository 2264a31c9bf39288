using System.Collections.Immutable;
using DfPO.Actors.Configuration;
using DfPO.Actors.Experiments;
using DfPO.Learner;
using DfPO.Models.Policies;

namespace DfPO.Host.Reporting;

/// <summary>What a run's display shows, as a value: each event gives the next one.</summary>
/// <param name="Config">The experiment.</param>
/// <param name="Iteration">Finished iterations.</param>
/// <param name="Workers">Workers by role.</param>
/// <param name="Rows">Iterations shown, the oldest first.</param>
/// <param name="Validation">The latest validation of each decoding policy.</param>
/// <param name="Waiting">What the run waits for; empty while it goes on.</param>
internal sealed record Progress(
    ExperimentConfig Config,
    int Iteration,
    ImmutableSortedDictionary<string, int> Workers,
    ImmutableList<ProgressRow> Rows,
    ImmutableDictionary<DecodingPolicy, EvaluationReport> Validation,
    string Waiting = ""
)
{
    private const int MostRows = 12;

    /// <summary>The latest warning of each guard that went off.</summary>
    public ImmutableList<LearnerWarning> Warnings { get; init; } = [];

    /// <summary>Before anything happened.</summary>
    public static Progress Of(ExperimentConfig config, int iteration) =>
        new(
            config,
            iteration,
            ImmutableSortedDictionary<string, int>.Empty,
            [],
            ImmutableDictionary<DecodingPolicy, EvaluationReport>.Empty
        );

    /// <summary>After an iteration.</summary>
    public Progress With(IterationReport report)
    {
        var rows = Rows.Add(new ProgressRow(report, Validation));
        var warnings = Warnings.RemoveAll(old => report.Warnings.Any(warning => warning.Code == old.Code)).AddRange(report.Warnings);
        return this with
        {
            Waiting = "",
            Warnings = warnings,
            Iteration = report.Iteration,
            Rows = rows.Count > MostRows ? rows.RemoveAt(0) : rows,
        };
    }

    /// <summary>After an evaluation: the row of its iteration shows it too.</summary>
    public Progress With(EvaluationReport report)
    {
        if (report.Split != "validation")
            return this;
        var validation = Validation.SetItem(report.Policy, report);
        return this with
        {
            Validation = validation,
            Rows =
                Rows.Count > 0 && Rows[^1].Report.Iteration == report.Iteration
                    ? Rows.SetItem(Rows.Count - 1, Rows[^1] with { Validation = validation })
                    : Rows,
        };
    }

    /// <summary>After a worker joined or left.</summary>
    public Progress With(string role, int count) => this with { Waiting = "", Workers = Workers.SetItem(role, count) };
}

/// <summary>An iteration, and the latest validations at its time.</summary>
internal sealed record ProgressRow(IterationReport Report, ImmutableDictionary<DecodingPolicy, EvaluationReport> Validation)
{
    /// <summary>Latest validation reward under a policy; NaN before the first.</summary>
    public double Reward(DecodingPolicy policy) => Validation.TryGetValue(policy, out var report) ? report.Metrics.Reward : double.NaN;

    /// <summary>One of the learner's metrics; NaN when it does not measure it.</summary>
    public double Metric(string name) => Report.Metrics.TryGetValue(name, out var value) ? value : double.NaN;
}
