using System.Text.Json.Nodes;

namespace DfPO.Models.Classifiers;

/// <summary>Encoder classifiers from checkpoint folders.</summary>
internal static class EncoderCheckpoint
{
    private static readonly string[] s_types = ["bert", "distilbert", "roberta"];

    /// <summary>Whether a <c>config.json</c> describes an encoder.</summary>
    public static bool Knows(JsonObject config) => s_types.Contains(config["model_type"]?.ToString());

    /// <summary>What published files carry although the classifier has no use for it: position numbers, and RoBERTa's pooler.</summary>
    public static bool IsIdle(string name) => name.EndsWith(".position_ids", StringComparison.Ordinal) || name.StartsWith("roberta.pooler.", StringComparison.Ordinal);
}
