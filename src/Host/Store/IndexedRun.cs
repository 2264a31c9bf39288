namespace DfPO.Host.Store;

/// <summary>A run as the store knows it.</summary>
/// <param name="Path">Its folder.</param>
/// <param name="Seed">Its seed.</param>
/// <param name="Objective">Its update rule.</param>
/// <param name="Status">Where it stands, as <see cref="RunRecord.Standing"/> says.</param>
/// <param name="Note">Why it was stopped or failed; else empty.</param>
/// <param name="Iterations">Finished iterations.</param>
/// <param name="Planned">Iterations that it is to have.</param>
/// <param name="Config">Its resolved configuration by dotted keys.</param>
/// <param name="Figures">Its figures on held-out prompts by <c>policy/metric</c>, <c>before/metric</c> being those before training.</param>
/// <param name="Last">The last value of each curve.</param>
internal sealed record IndexedRun(
    string Path,
    string Seed,
    string Objective,
    string Status,
    string Note,
    int Iterations,
    int Planned,
    IReadOnlyDictionary<string, string> Config,
    IReadOnlyDictionary<string, double> Figures,
    IReadOnlyDictionary<string, double> Last
)
{
    /// <summary>Name of the folder.</summary>
    public string Name => System.IO.Path.GetFileName(Path);

    /// <summary>The figure under the policy that the run's validation chose by, which is the policy itself of all rules but DfPO.</summary>
    public double? Final(string metric) =>
        (
            Objective == "dfpo"
            && Figures.TryGetValue($"{Config.GetValueOrDefault("learner.dfpo.decode", "policy")}/{metric}", out var chosen)
        ) || Figures.TryGetValue($"policy/{metric}", out chosen)
            ? chosen
            : null;
}

/// <summary>What distinguishes some runs: a row a key, a value a run; null where a run has none.</summary>
/// <param name="Config">Keys of the resolved configuration that are not the same in all.</param>
/// <param name="Figures">All figures on held-out prompts.</param>
/// <param name="Last">Last values of all curves.</param>
internal sealed record RunDifferences(
    IReadOnlyList<(string Key, IReadOnlyList<string?> Values)> Config,
    IReadOnlyList<(string Key, IReadOnlyList<double?> Values)> Figures,
    IReadOnlyList<(string Key, IReadOnlyList<double?> Values)> Last
)
{
    /// <summary>Compares them.</summary>
    public static RunDifferences Of(IReadOnlyList<IndexedRun> runs) =>
        new(
            [.. Rows(runs, run => run.Config, value => value).Where(row => row.Values.Distinct().Count() > 1)],
            Rows(runs, run => run.Figures, value => (double?)value),
            Rows(runs, run => run.Last, value => (double?)value)
        );

    private static IReadOnlyList<(string, IReadOnlyList<TCell?> Values)> Rows<T, TCell>(
        IReadOnlyList<IndexedRun> runs,
        Func<IndexedRun, IReadOnlyDictionary<string, T>> part,
        Func<T, TCell?> cell
    ) =>
        [
            .. runs.SelectMany(run => part(run).Keys)
                .Distinct()
                .Select(key =>
                    (key, (IReadOnlyList<TCell?>)[.. runs.Select(run => part(run).TryGetValue(key, out var value) ? cell(value) : default)])
                ),
        ];
}
