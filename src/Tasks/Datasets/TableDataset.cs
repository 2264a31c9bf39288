using DfPO.Models;
using DfPO.Tasks.Prompts;
using DfPO.Tasks.Tables;

namespace DfPO.Tasks.Datasets;

/// <summary>A custom task: prompts from any table with named columns.</summary>
internal static class TableDataset
{
    public static IEnumerable<Prompt> Read(DatasetSpec spec, MalformedRows malformed) =>
        PromptDataset.Part(
            spec,
            [
                .. Table
                    .Read(spec.Path, malformed)
                    .Select(row =>
                        PromptDataset.TryRow(malformed, () =>
                            Of(row, spec) with
                            {
                                References = spec.ReferencesColumn.Length > 0 ? row.Texts(spec.ReferencesColumn) : [],
                                Concepts = spec.ConceptsColumn.Length > 0 ? Words(row.Texts(spec.ConceptsColumn)) : [],
                            }
                        )
                    )
                    .OfType<Prompt>(),
            ]
        );

    private static Prompt Of(DataRow row, DatasetSpec spec)
    {
        var id = spec.IdColumn.Length > 0 ? row.Text(spec.IdColumn) : $"{row.Line}";
        if (spec.MessagesColumn.Length == 0)
            return new Prompt(id, row.Text(spec.TextColumn));
        try
        {
            return ChatPrompts.Create(id, row.Json(spec.MessagesColumn), $"'{spec.MessagesColumn}'");
        }
        catch (DfpoException e) when (e.Code == "prompts/malformed")
        {
            throw row.Malformed(e.Message);
        }
    }

    private static string[] Words(string[] concepts) =>
        concepts.Length == 1 ? concepts[0].Split(' ', StringSplitOptions.RemoveEmptyEntries) : concepts;
}
