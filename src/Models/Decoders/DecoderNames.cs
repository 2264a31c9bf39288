namespace DfPO.Models.Decoders;

/// <summary>
/// What PyTorch calls the parts of a decoder, so that state-dict keys match. The paths of a block's parts begin within the block; null
/// where there is no such part.
/// </summary>
internal sealed record DecoderNames
{
    /// <summary>Before the blocks' and embeddings' names, such as <c>model</c>.</summary>
    public string Body { get; init; } = "model";

    public string Embedding { get; init; } = "embed_tokens";

    /// <summary>The table of learnt positions.</summary>
    public string? Positions { get; init; }

    public string ProjectIn { get; init; } = "project_in";

    public string ProjectOut { get; init; } = "project_out";

    public string Blocks { get; init; } = "layers";

    public string? FinalNorm { get; init; } = "norm";

    public string Head { get; init; } = "lm_head";

    /// <summary>The norm before attention, or after its sum where norms stand there.</summary>
    public string? AttentionNorm { get; init; } = "input_layernorm";

    /// <summary>The norm of attention's output.</summary>
    public string? AttentionOutputNorm { get; init; }

    /// <summary>
    /// The norm before the perceptron, or after its sum where norms stand there; where there is none, the perceptron of a parallel block
    /// reads what attention reads.
    /// </summary>
    public string? MlpNorm { get; init; } = "post_attention_layernorm";

    /// <summary>The norm of the perceptron's output.</summary>
    public string? MlpOutputNorm { get; init; }

    public string Query { get; init; } = "self_attn.q_proj";

    public string Key { get; init; } = "self_attn.k_proj";

    public string Value { get; init; } = "self_attn.v_proj";

    /// <summary>One projection in place of the three.</summary>
    public string? QueryKeyValue { get; init; }

    public string Output { get; init; } = "self_attn.o_proj";

    public string QueryNorm { get; init; } = "self_attn.q_norm";

    public string KeyNorm { get; init; } = "self_attn.k_norm";

    /// <summary>The gate of a gated perceptron, or its gate and expansion in one.</summary>
    public string? Gate { get; init; } = "mlp.gate_proj";

    /// <summary>The expansion; null where the gate's projection holds it as well.</summary>
    public string? Expansion { get; init; } = "mlp.up_proj";

    public string Contraction { get; init; } = "mlp.down_proj";
}
