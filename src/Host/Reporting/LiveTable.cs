using System.Threading.Channels;
using DfPO.Actors.Configuration;
using DfPO.Actors.Experiments;
using DfPO.Models.Policies;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace DfPO.Host.Reporting;

/// <summary>A table that is redrawn in place while the run goes on; for interactive terminals.</summary>
/// <param name="console">The terminal.</param>
/// <param name="folder">The run's folder, shown in the header; null when there is none.</param>
public sealed class LiveTable(IAnsiConsole console, string? folder = null) : IExperimentObserver, IDisposable
{
    private readonly Channel<Progress> _states = Channel.CreateUnbounded<Progress>();
    private readonly SortedDictionary<string, int> _early = [];
    private Progress? _progress;
    private Task _display = Task.CompletedTask;

    /// <inheritdoc/>
    public void Started(ExperimentConfig config, int iteration)
    {
        _progress = _early.Aggregate(Progress.Of(config, iteration), (progress, workers) => progress.With(workers.Key, workers.Value));
        var first = Render(_progress, folder);
        _display = console
            .Live(first)
            .StartAsync(async live =>
            {
                await foreach (var progress in _states.Reader.ReadAllAsync())
                    live.UpdateTarget(Render(progress, folder));
            });
    }

    /// <inheritdoc/>
    public void Evaluated(EvaluationReport report) => Show(_progress?.With(report));

    /// <inheritdoc/>
    public void IterationFinished(IterationReport report) => Show(_progress?.With(report));

    /// <inheritdoc/>
    public void WorkersChanged(string role, int count)
    {
        _early[role] = count;
        Show(_progress?.With(role, count));
    }

    /// <inheritdoc/>
    public void WorkersAwaited(string role, int units, TimeSpan waited, TimeSpan patience) =>
        Show(_progress is { } progress ? progress with { Waiting = LineReporter.Waiting(role, units, waited, patience) } : null);

    /// <inheritdoc/>
    public void Finished(ExperimentResult result)
    {
        Dispose();
        FinalReport.Write(console, result, _progress?.Config ?? new(), folder);
        // A display that broke is the caller's to report, once the result is out.
        _display.GetAwaiter().GetResult();
    }

    /// <summary>Leaves the table as it stands, so that what is printed next comes below it.</summary>
    public void Dispose()
    {
        _states.Writer.TryComplete();
        Task.WhenAny(_display).GetAwaiter().GetResult();
    }

    /// <summary>The display of a state.</summary>
    internal static IRenderable Render(Progress progress, string? folder)
    {
        var config = progress.Config;
        var workers =
            progress.Workers.Count == 0 ? "none yet" : string.Join(", ", progress.Workers.Select(role => $"{role.Value} {role.Key}"));
        var table = new Table()
            .Border(TableBorder.Rounded)
            .Caption("reward, ppl: training continuations; pi_theta, pi-: latest validation reward");
        foreach (var (name, _) in s_columns)
            table.AddColumn(new TableColumn(name).RightAligned().NoWrap().Padding(1, 0, 0, 0));
        foreach (var row in progress.Rows)
            table.AddRow([.. s_columns.Select(column => Markup.Escape(column.Cell(row)))]);
        return new Rows([
            new Text(
                $"{config.Name}: iteration {progress.Iteration}/{config.Iterations}, workers: {workers}{(folder is null ? "" : $", {folder}")}"
            ),
            table,
            .. progress.Warnings.Select(warning => new Text(LineReporter.Warning(warning))),
            new Text(progress.Waiting),
        ]);
    }

    private static readonly (string Name, Func<ProgressRow, string> Cell)[] s_columns =
    [
        ("iter", row => row.Report.Iteration.ToString()),
        ("reward", row => Verdict.Figure(row.Report.Rollout?.Reward ?? double.NaN)),
        ("pi_theta", row => Verdict.Figure(row.Reward(DecodingPolicy.Policy))),
        ("pi-", row => Verdict.Figure(row.Reward(DecodingPolicy.Negative))),
        ("KL", row => Verdict.Figure(row.Metric("objective/kl"))),
        ("ppl", row => Verdict.Figure(row.Report.Rollout?.Perplexity ?? double.NaN)),
        ("mask+", row => Share(row.Metric("dfpo/mask_positive"))),
        ("mask-", row => Share(row.Metric("dfpo/mask_negative"))),
        ("tok/s", row => row.Report.TokensPerSecond.ToString("F0", System.Globalization.CultureInfo.InvariantCulture)),
        ("ETA", row => Durations.Text(row.Report.Remaining)),
    ];

    internal static string Share(double share) =>
        double.IsFinite(share) ? (100 * share).ToString("F0", System.Globalization.CultureInfo.InvariantCulture) + " %" : "n/a";

    private void Show(Progress? progress)
    {
        if (progress is null)
            return;
        _progress = progress;
        _states.Writer.TryWrite(progress);
    }
}
