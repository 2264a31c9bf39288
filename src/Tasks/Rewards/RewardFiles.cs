namespace DfPO.Tasks.Rewards;

/// <summary>
/// The files and folders that a reward reads. Data travel to the workers of other machines as model folders do; code does not: a plug-in
/// must lie under the same path wherever it is to score.
/// </summary>
public static class RewardFiles
{
    /// <summary>What METEOR and coverage take in place of WordNet.</summary>
    public const string None = "none";

    private sealed record File(string Name, RewardKind[] Kinds, Func<RewardSpec, string> Path, Func<RewardSpec, string, RewardSpec> With);

    private static readonly File[] s_data =
    [
        new(
            "word-net",
            [RewardKind.Meteor, RewardKind.Coverage],
            spec => spec.WordNet == None ? "" : spec.WordNet,
            (spec, path) => spec with { WordNet = path }
        ),
        new("cider-corpus", [RewardKind.Cider], spec => spec.CiderCorpus, (spec, path) => spec with { CiderCorpus = path }),
        new("lexicon", [RewardKind.Vader], spec => spec.Lexicon, (spec, path) => spec with { Lexicon = path }),
        new("toxicity-model", [RewardKind.NonToxicity], spec => spec.ToxicityModel, (spec, path) => spec with { ToxicityModel = path }),
    ];

    private static readonly File s_plugin = new(
        "plugin-assembly",
        [RewardKind.Plugin],
        spec => spec.PluginAssembly,
        (spec, path) => spec with { PluginAssembly = path }
    );

    /// <summary>The data that a reward's kinds read, by the name of the option that names them.</summary>
    public static IReadOnlyDictionary<string, string> Data(RewardSpec spec) =>
        Used(spec, s_data).ToDictionary(file => file.Name, file => file.Path(spec));

    /// <summary>Everything that a reward's kinds read, a plug-in included, by the name of the option that names it.</summary>
    public static IReadOnlyDictionary<string, string> All(RewardSpec spec) =>
        Used(spec, [.. s_data, s_plugin]).ToDictionary(file => file.Name, file => file.Path(spec));

    /// <summary>The reward with its data elsewhere.</summary>
    /// <param name="spec">The reward.</param>
    /// <param name="place">From the option's name and its path to where the data are.</param>
    public static RewardSpec Moved(RewardSpec spec, Func<string, string, string> place) =>
        Used(spec, s_data).Aggregate(spec, (moved, file) => file.With(moved, place(file.Name, file.Path(spec))));

    private static IEnumerable<File> Used(RewardSpec spec, IEnumerable<File> files) =>
        files.Where(file => spec.Uses(file.Kinds) && file.Path(spec).Length > 0);
}
