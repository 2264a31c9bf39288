namespace DfPO.Models.Hub;

/// <summary>Which files of a data set are pulled: the tables that this program reads.</summary>
internal static class DataFiles
{
    /// <summary>Endings of their names; those of text also with <c>.gz</c> behind them.</summary>
    public static readonly IReadOnlyList<string> Endings = [".parquet", ".jsonl", ".csv", ".tsv"];

    /// <summary>Picks from a listing.</summary>
    /// <param name="listing">Names, with folders.</param>
    /// <param name="include">Beginnings of the names that are wanted; all without any.</param>
    public static IReadOnlyList<string> Select(IEnumerable<string> listing, IReadOnlyCollection<string> include) =>
        [
            .. listing
                .Distinct()
                .Where(name =>
                    // A name is data from the hub: only plain ones may become paths.
                    name.Split('/').All(ModelFiles.IsPlain)
                    && Endings.Any(ending => name.EndsWith(ending, StringComparison.Ordinal) || IsPacked(name, ending))
                    && (include.Count == 0 || include.Any(wanted => name.StartsWith(wanted, StringComparison.Ordinal)))
                )
                .Order(StringComparer.Ordinal),
        ];

    private static bool IsPacked(string name, string ending) =>
        ending != ".parquet" && name.EndsWith(ending + ".gz", StringComparison.Ordinal);
}
