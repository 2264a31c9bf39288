using DfPO.Models;
using DfPO.Tasks.Prompts;
using DfPO.Tasks.Tables;

namespace DfPO.Tasks.Datasets;

/// <summary>
/// CommonGen (Lin et al., 2020): concepts, and sentences that use them all. Prompts as in the base library:
/// <c>generate a sentence with: dog catch frisbee.</c>
/// </summary>
internal static class CommonGenDataset
{
    /// <summary>What each prompt begins with.</summary>
    public const string Prefix = "generate a sentence with: ";

    public static IEnumerable<Prompt> Read(DatasetSpec spec, MalformedRows malformed)
    {
        var file = Directory.Exists(spec.Path) ? FileOf(spec.Path, spec.Split) : spec.Path;
        var sets = file.EndsWith("_src.txt", StringComparison.OrdinalIgnoreCase)
            ? Pairs(file, malformed)
            : Table.Read(file, malformed).Select(row => PromptDataset.TryRow(malformed, () => Row(row))).OfType<ConceptSet>();
        return (spec.GroupConcepts ? Grouped(sets) : sets.SelectMany(OnePerSentence)).Select(
            (set, index) =>
                new Prompt($"{index + 1}", $"{Prefix}{set.Concepts}.") { References = set.Sentences, Concepts = set.Concepts.Split(' ') }
        );
    }

    // Official rows: concept_set "dog_N#run_V" and scene; GEM's: concepts, references and target, which is empty for the hidden test set.
    private static ConceptSet Row(DataRow row)
    {
        if (row.Has("concept_set"))
            return new ConceptSet(
                row.Text("concept_set"),
                string.Join(' ', row.Text("concept_set").Split('#').Select(WithoutTag)),
                row.Has("scene") ? row.Texts("scene") : []
            );
        var concepts = string.Join(' ', row.Texts("concepts"));
        if (concepts.Length == 0)
            throw row.Malformed("'concepts' is empty.");
        string[] references = row.Has("references") ? row.Texts("references") : [];
        return new ConceptSet(concepts, concepts, references.Length > 0 ? references : row.Texts("target"));
    }

    private static string WithoutTag(string concept) => concept.LastIndexOf('_') is > 0 and var mark ? concept[..mark] : concept;

    private static IEnumerable<ConceptSet> Pairs(string sources, MalformedRows malformed)
    {
        var targets = sources[..^"_src.txt".Length] + "_trg.txt";
        foreach (var file in new[] { sources, targets })
            if (!File.Exists(file))
                throw new DfpoException(
                    "dataset/missing",
                    $"'{file}' does not exist: CommonGen's pairs are two files, ..._src.txt and ..._trg.txt, with a line a pair."
                );
        using var lines = Table.Lines(targets).GetEnumerator();
        foreach (var (line, source) in Table.Lines(sources))
        {
            if (!lines.MoveNext())
                throw new DfpoException(
                    "dataset/malformed",
                    $"'{targets}' ends before line {line} of '{sources}': both need a line a pair."
                );
            var target = lines.Current.Text;
            if (!Table.IsDecoded(source) || !Table.IsDecoded(target))
                malformed.Add(Table.NotDecoded(Table.IsDecoded(source) ? targets : sources, line));
            else if (string.IsNullOrWhiteSpace(source))
                malformed.Add($"'{sources}', line {line}: no concepts.");
            else
                yield return new ConceptSet(source.Trim(), source.Trim(), string.IsNullOrWhiteSpace(target) ? [] : [target.Trim()]);
        }
        if (lines.MoveNext())
            throw new DfpoException(
                "dataset/malformed",
                $"'{sources}' ends before line {lines.Current.Line} of '{targets}': both need a line a pair."
            );
    }

    // Sets that differ in a part of speech only (run_N, run_V) stay apart.
    private static IEnumerable<ConceptSet> Grouped(IEnumerable<ConceptSet> sets) =>
        sets.GroupBy(set => set.Key).Select(group => group.First() with { Sentences = [.. group.SelectMany(set => set.Sentences)] });

    private static IEnumerable<ConceptSet> OnePerSentence(ConceptSet set) =>
        set.Sentences.Count == 0 ? [set] : set.Sentences.Select(sentence => set with { Sentences = [sentence] });

    private static string FileOf(string folder, DatasetSplit split)
    {
        string[] names = split switch
        {
            DatasetSplit.Train => ["train"],
            DatasetSplit.Validation => ["dev", "valid", "validation", "val"],
            _ => ["test"],
        };
        string[] candidates =
        [
            .. names.SelectMany(name =>
                new[] { $"commongen.{name}.jsonl", $"{name}.jsonl", $"{name}_src.txt", $"{name}-00000-of-00001.parquet", $"{name}.parquet" }
            ),
        ];
        return candidates.Select(name => Path.Combine(folder, name)).FirstOrDefault(File.Exists)
            ?? throw new DfpoException(
                "dataset/missing",
                $"'{folder}' has no file for the split '{split}': one of {string.Join(", ", candidates)} is expected."
            );
    }

    private sealed record ConceptSet(string Key, string Concepts, IReadOnlyList<string> Sentences);
}
