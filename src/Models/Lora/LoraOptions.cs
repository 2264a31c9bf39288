using System.ComponentModel.DataAnnotations;
using DfPO.Models.Options;

namespace DfPO.Models.Lora;

/// <summary>Low-rank adapters (Hu et al. 2021): what is learnt is <c>B A</c> beside chosen weights, which stay as they are.</summary>
public sealed record LoraOptions
{
    /// <summary>Rank of the adapters; 0 for none: every weight is trained.</summary>
    [Range(0, int.MaxValue)]
    public int Rank { get; init; }

    /// <summary>The adapters' products are multiplied with <c>alpha / rank</c>; 1 to 256.</summary>
    // The factor travels with the weights: a bfloat16 holds the whole numbers up to 256.
    [Range(1, 256)]
    public int Alpha { get; init; } = 16;

    /// <summary>
    /// Ends of the names of the layers to adapt, such as <c>c_attn</c> or <c>attn.c_proj</c>; none means PEFT's choice for the
    /// architecture, the queries and values of attention.
    /// </summary>
    [RegularExpression(@".*\S.*", ErrorMessage = "names of layers")]
    public IReadOnlyList<string> TargetModules { get; init; } = [];

    /// <summary>Whether there are adapters.</summary>
    public bool IsOn => Rank > 0;

    /// <summary>Checks every field.</summary>
    /// <exception cref="DfpoException"><c>lora/options</c>, naming the field.</exception>
    public LoraOptions Checked()
    {
        OptionSchema.Check(this, "lora/options", "lora.");
        return this;
    }

    /// <summary>The names to look for in a model of a <c>model_type</c>.</summary>
    internal IReadOnlyList<string> TargetsOf(string modelType) =>
        TargetModules.Count > 0
            ? TargetModules
            : modelType switch
            {
                "gpt2" or "gpt_bigcode" => ["c_attn"],
                "gpt_neox" => ["query_key_value"],
                "phi3" => ["qkv_proj"],
                "t5" => ["q", "v"],
                _ => ["q_proj", "v_proj"],
            };

    /// <summary>Whether the layer at a path is one that a target names, as PEFT decides it.</summary>
    internal static bool Matches(string path, string target) => path == target || path.EndsWith("." + target, StringComparison.Ordinal);
}
