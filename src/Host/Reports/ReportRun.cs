using System.Text.RegularExpressions;
using DfPO.Host.Runs;
using DfPO.Host.Store;
using DfPO.Host.Studies;
using DfPO.Models;

namespace DfPO.Host.Reports;

/// <summary>A run of a report.</summary>
/// <param name="Group">What it has in common with the runs that differ in their seeds alone.</param>
/// <param name="Family">The algorithm, whose groups differ in what was swept.</param>
/// <param name="Run">The run.</param>
internal sealed partial record ReportRun(string Group, string Family, RunRecord Run)
{
    /// <summary>
    /// The curve that it is averaged into: its group's, where it is finished. A run that ended early, which halving picks by its figures,
    /// has no part in the means of those that did not.
    /// </summary>
    public string Curve => Run.Result is not null ? Group : $"{Group}, {Run.Standing}";

    /// <summary>The runs of some studies and runs.</summary>
    /// <param name="paths">Folders of studies and of runs.</param>
    /// <param name="absent">Takes a line about each trial that has no run.</param>
    /// <exception cref="DfpoException"><c>report/input</c>: neither a study nor a run, or there is nothing in it.</exception>
    public static IReadOnlyList<ReportRun> Read(IEnumerable<string> paths, Action<string> absent)
    {
        List<ReportRun> runs = [];
        foreach (var path in paths)
            if (StudyFolder.IsOne(path))
            {
                var study = StudyFolder.Open(path);
                foreach (var state in study.State().Trials)
                    if (study.Run(state.Trial) is { } run)
                        runs.Add(new(state.Trial.Group, $"{state.Trial.Task} {state.Trial.Algorithm}", RunRecord.Open(run.Path)));
                    else
                        absent($"{state.Trial.Name}: {state.Status}{(state.Note.Length > 0 ? $", {state.Note}" : "")}");
            }
            else if (RunFolder.IsOne(path))
                runs.Add(Alone(RunRecord.Open(path)));
            else
                throw new DfpoException(
                    "report/input",
                    $"'{path}' is neither the folder of a study nor that of a run: give a folder that 'dfpo study run' or 'dfpo run' has made."
                );
        return runs.Count > 0
            ? Distinct(runs)
            : throw new DfpoException("report/input", "None of these studies has a run yet, so there is nothing to report.");
    }

    private static ReportRun Alone(RunRecord run) => new(Stem().Replace(run.Setting("name"), ""), run.Setting("learner.objective"), run);

    // Runs of one name that differ in more than the seed are groups of their own.
    private static List<ReportRun> Distinct(List<ReportRun> runs) =>
        [
            .. runs.GroupBy(run => run.Group)
                .SelectMany(group =>
                    group
                        .GroupBy(Configuration)
                        .SelectMany((same, n) => same.Select(run => n == 0 ? run : run with { Group = $"{run.Group} ({n + 1})" }))
                ),
        ];

    private static string Configuration(ReportRun run) =>
        string.Join(
            '\n',
            run.Run.Config.Where(pair => pair.Key is not ("seed" or "name"))
                .Select(pair => $"{pair.Key}={pair.Value}")
                .Order(StringComparer.Ordinal)
        );

    // What a trial's name says of its seed.
    [GeneratedRegex(@"\.s\d+$")]
    private static partial Regex Stem();
}
