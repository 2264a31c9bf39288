using DfPO.Models.Chat;
using DfPO.Models.Tokenizers;

namespace DfPO.Models.Hub;

/// <summary>Which files of a model are worth pulling: what this program reads, weights in one format only.</summary>
internal static class ModelFiles
{
    private const string Further = $"{ChatTemplateFiles.FurtherFolder}/";

    /// <summary>Picks from a listing; safetensors before <c>pytorch_model.bin</c>.</summary>
    public static IReadOnlyList<string> Select(IEnumerable<string> listing)
    {
        // Files in folders are other formats and examples, but for further chat templates. A name is data from the hub: only plain ones may
        // become paths.
        string[] all = [.. listing.Distinct()];
        string[] plain = [.. all.Where(IsPlain)];
        var templates = all.Where(name =>
            name.StartsWith(Further, StringComparison.Ordinal)
            && name.EndsWith(".jinja", StringComparison.Ordinal)
            && IsPlain(name[Further.Length..])
        );
        string[] safe = [.. plain.Where(IsSafetensors)];
        var weights = safe.Length > 0 ? safe : [.. plain.Where(IsTorch)];
        return
        [
            .. plain
                .Where(name =>
                    name is "config.json" or "generation_config.json" or ChatTemplateFiles.FileName || TokenizerFiles.IsOne(name)
                )
                .Concat(weights)
                .Concat(templates)
                .Order(StringComparer.Ordinal),
        ];
    }

    /// <summary>Whether a part of a name is safe as a part of a path.</summary>
    public static bool IsPlain(string name) => name.Length > 0 && name[0] != '.' && name.IndexOfAny(['/', '\\', ':', '\0']) < 0;

    private static bool IsSafetensors(string name) =>
        name is "model.safetensors" or "model.safetensors.index.json"
        || (name.StartsWith("model-", StringComparison.Ordinal) && name.EndsWith(".safetensors", StringComparison.Ordinal));

    private static bool IsTorch(string name) =>
        name is "pytorch_model.bin" or "pytorch_model.bin.index.json"
        || (name.StartsWith("pytorch_model-", StringComparison.Ordinal) && name.EndsWith(".bin", StringComparison.Ordinal));
}
