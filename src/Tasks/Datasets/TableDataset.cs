using DfPO.Tasks.Prompts;

namespace DfPO.Tasks.Datasets;

/// <summary>A custom task: prompts from any table with named columns.</summary>
internal static class TableDataset
{
    public static IEnumerable<Prompt> Read(DatasetSpec spec, MalformedRows malformed) => PromptDataset.Part(spec,
    [
        .. Table.Read(spec.Path, malformed)
            .Select(row => PromptDataset.TryRow(malformed, () => new Prompt(spec.IdColumn.Length > 0 ? row.Text(spec.IdColumn) : $"{row.Line}", row.Text(spec.TextColumn))
            {
                References = spec.ReferencesColumn.Length > 0 ? row.Texts(spec.ReferencesColumn) : [],
                Concepts = spec.ConceptsColumn.Length > 0 ? Words(row.Texts(spec.ConceptsColumn)) : [],
            }))
            .OfType<Prompt>(),
    ]);

    private static string[] Words(string[] concepts) => concepts.Length == 1 ? concepts[0].Split(' ', StringSplitOptions.RemoveEmptyEntries) : concepts;
}
