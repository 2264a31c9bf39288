using System.Text.Json.Nodes;

namespace DfPO.Models.Classifiers;

/// <summary>Encoder classifiers from checkpoint folders.</summary>
internal static class EncoderCheckpoint
{
    private static readonly string[] s_types = ["bert", "distilbert", "roberta"];
    private static readonly string[] s_heads = ["classifier", "pre_classifier", "cls.", "lm_head.", "vocab_", "qa_outputs."];

    /// <summary>Whether a <c>config.json</c> describes an encoder.</summary>
    public static bool Knows(JsonObject config) => s_types.Contains(config["model_type"]?.ToString());

    /// <summary>What published files carry although the classifier has no use for it: position numbers, and RoBERTa's pooler.</summary>
    public static bool IsIdle(string name) =>
        name.EndsWith(".position_ids", StringComparison.Ordinal) || name.StartsWith("roberta.pooler.", StringComparison.Ordinal);

    /// <summary>
    /// Whether a tensor belongs to what stands on the body of an encoder, under the names that any of HF's models has for it.
    /// </summary>
    public static bool IsHead(string name) =>
        s_heads.Any(head => name.StartsWith(head, StringComparison.Ordinal)) || name.Contains("pooler.", StringComparison.Ordinal);
}
