using System.Text.Json.Nodes;
using DfPO.Host.Reports;
using DfPO.Host.Runs;
using DfPO.Host.Store;
using DfPO.Host.Studies;
using DfPO.Models;

namespace DfPO.Host.Dashboard;

/// <summary>A folder of runs as the live page asks for it. A run's id is its folder's path below that folder.</summary>
/// <param name="root">The folder.</param>
/// <param name="traceUrl">Address of a trace, with <c>{trace}</c> in it; empty for no links.</param>
/// <param name="warn">Takes a line about each run that cannot be read.</param>
internal sealed class RunShelf(string root, string traceUrl, Action<string> warn)
{
    private const int Remembered = 8;
    private const int Deepest = 3;
    private readonly string _root = Path.GetFullPath(root);
    private readonly Lock _store = new();
    private readonly Lock _lists = new();
    private readonly LinkedList<(string Key, IReadOnlyList<RolloutSummary> Summaries)> _remembered = [];

    /// <summary>Id of the run that the page begins with; empty for the newest.</summary>
    public string Focus { get; set; } = "";

    /// <summary>What the page begins with.</summary>
    public JsonObject Beginning() =>
        new()
        {
            ["live"] = true,
            ["focus"] = Focus,
            ["traceUrl"] = traceUrl,
        };

    /// <summary>The folder of a run.</summary>
    /// <exception cref="DfpoException"><c>runs/unknown</c>: there is none of that id below the root.</exception>
    public RunFolder Folder(string id)
    {
        var path = Path.GetFullPath(Path.Combine(_root, id));
        var within = path.StartsWith(Path.TrimEndingDirectorySeparator(_root) + Path.DirectorySeparatorChar, StringComparison.Ordinal);
        return id.Length > 0 && within && RunFolder.IsOne(path)
            ? RunFolder.Open(path)
            : throw new DfpoException("runs/unknown", $"There is no run '{id}' in '{_root}'.");
    }

    /// <summary>All runs, the newest first.</summary>
    public JsonArray Runs()
    {
        lock (_store)
        {
            using var store = RunStore.Open(_root, warn);
            return
            [
                .. store
                    .All()
                    .OrderByDescending(run => Directory.GetCreationTimeUtc(run.Path))
                    .Select(run =>
                        (JsonNode)
                            new JsonObject
                            {
                                ["id"] = IdOf(run.Path),
                                ["name"] = run.Name,
                                ["objective"] = run.Objective,
                                ["seed"] = run.Seed,
                                ["status"] = run.Status,
                                ["note"] = run.Note,
                                ["iterations"] = run.Iterations,
                                ["planned"] = run.Planned,
                                ["reward"] = run.Final("reward"),
                                ["kl"] = run.Final("kl"),
                            }
                    ),
            ];
        }
    }

    /// <summary>A run without its texts.</summary>
    public JsonObject Run(string id)
    {
        var folder = Folder(id);
        // Before reading: what is written meanwhile is told twice rather than never, and a line counts once.
        var offset = RunEvents.End(folder.Metrics);
        return RunAnswers.Run(id, RunRecord.Open(folder.Path), offset);
    }

    /// <summary>Who works for a run.</summary>
    public JsonObject Cluster(string id) => RunAnswers.Cluster(Folder(id).Path);

    /// <summary>A page of the continuations that an iteration learnt from; iteration 0 is the newest one.</summary>
    public JsonObject Rollouts(string id, int iteration, TextQuery query)
    {
        var kept = Folder(id).Rollouts;
        var iterations = kept.Iterations();
        if (iterations.Count == 0)
            return RunAnswers.Rollouts(iterations, [], 0, query);
        iteration = iteration == 0 ? iterations[^1] : iteration;
        return RunAnswers.Rollouts(iterations, Summaries(id, kept, iteration), iteration, query);
    }

    /// <summary>All that is kept of one continuation.</summary>
    /// <exception cref="DfpoException"><c>runs/rollouts</c>: there is none.</exception>
    public JsonObject Rollout(string id, int iteration, int index) =>
        RolloutSummary.Whole(Folder(id).Rollouts.Read(iteration), index)
        ?? throw new DfpoException("runs/rollouts", $"Iteration {iteration} of '{id}' has no continuation {index}.");

    /// <summary>A page of the continuations of held-out prompts.</summary>
    public JsonObject Samples(string id, TextQuery query) => RunAnswers.Samples(RunRecord.Open(Folder(id).Path), query);

    /// <summary>The studies, by path below the root.</summary>
    public JsonArray Studies() => [.. Below(_root, Deepest).Select(path => (JsonNode)IdOf(path))];

    /// <summary>Tables and charts of a study, or of some runs.</summary>
    public JsonObject Study(string? path, IReadOnlyList<string> ids)
    {
        if (path is { Length: > 0 } && !Below(_root, Deepest).Any(study => IdOf(study) == path))
            throw new DfpoException("study/missing", $"There is no study '{path}' in '{_root}'.");
        List<string> absent = [];
        var runs = ReportRun.Read(
            path is { Length: > 0 } ? [Path.Combine(_root, path)] : ids.Select(id => Folder(id).Path),
            absent.Add
        );
        var figures = FigureRow.Of(runs);
        return new()
        {
            ["html"] = StudySection.Html(runs, figures, absent, []),
            ["charts"] = ReportCharts.Of(runs, figures, []),
        };
    }

    private IReadOnlyList<RolloutSummary> Summaries(string id, KeptRollouts kept, int iteration)
    {
        var key = $"{iteration}@{kept.Stamp(iteration)} {id}";
        lock (_lists)
        {
            if (_remembered.FirstOrDefault(list => list.Key == key) is { Summaries: { } known })
                return known;
            var read = RolloutSummary.Read(kept.Read(iteration));
            _remembered.AddFirst((key, read));
            if (_remembered.Count > Remembered)
                _remembered.RemoveLast();
            return read;
        }
    }

    private string IdOf(string path) => Path.GetRelativePath(_root, path).Replace('\\', '/');

    private static IEnumerable<string> Below(string folder, int depth) =>
        Directory
            .EnumerateDirectories(folder)
            .Order(StringComparer.Ordinal)
            .SelectMany(child =>
                StudyFolder.IsOne(child) ? [child]
                : depth > 1 && !RunFolder.IsOne(child) ? Below(child, depth - 1)
                : []
            );
}
