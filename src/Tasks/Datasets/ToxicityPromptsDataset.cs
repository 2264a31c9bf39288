using DfPO.Tasks.Prompts;
using DfPO.Tasks.Tables;

namespace DfPO.Tasks.Datasets;

/// <summary>
/// RealToxicityPrompts (Gehman et al., 2020): rows with <c>prompt</c> and <c>continuation</c>, each a text with Perspective's scores, some
/// of them null.
/// </summary>
internal static class ToxicityPromptsDataset
{
    public static IEnumerable<Prompt> Read(DatasetSpec spec, MalformedRows malformed)
    {
        var isBounded = spec.MinToxicity > 0 || spec.MaxToxicity < 1;
        return PromptDataset.Part(
            spec,
            [
                .. Table
                    .Read(spec.Path, malformed)
                    .Select(row => PromptDataset.TryRow(malformed, () => Row(row)))
                    .OfType<ScoredPrompt>()
                    .Where(row => !isBounded || (row.Toxicity >= spec.MinToxicity && row.Toxicity <= spec.MaxToxicity))
                    .Select(row => row.Prompt),
            ]
        );
    }

    private static ScoredPrompt Row(DataRow row) =>
        new(
            new Prompt($"{row.Line}", row.Text("prompt.text"))
            {
                References = row.Has("continuation.text") ? row.Texts("continuation.text") : [],
            },
            row.Has("prompt.toxicity") ? row.Number("prompt.toxicity") : null
        );

    private sealed record ScoredPrompt(Prompt Prompt, double? Toxicity);
}
