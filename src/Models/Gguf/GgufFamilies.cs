using System.Text.Json.Nodes;

namespace DfPO.Models.Gguf;

/// <summary>Every family of models that is read from and written to GGUF files.</summary>
internal static class GgufFamilies
{
    private static readonly GgufField[] s_sizes =
    [
        new("block_count", "num_hidden_layers"),
        new("context_length", "max_position_embeddings"),
        new("embedding_length", "hidden_size"),
        new("feed_forward_length", "intermediate_size"),
        new("attention.head_count", "num_attention_heads"),
    ];

    private static readonly GgufField s_keyHeads = new("attention.head_count_kv", "num_key_value_heads", Default: 0);
    private static readonly GgufField s_rms = new("attention.layer_norm_rms_epsilon", "rms_norm_eps", IsCount: false);
    private static readonly GgufField s_base = new("rope.freq_base", "rope_theta", IsCount: false, Default: 10000);

    private static readonly (string File, string Model)[] s_attention =
    [
        ("blk.{0}.attn_q", "model.layers.{0}.self_attn.q_proj"),
        ("blk.{0}.attn_k", "model.layers.{0}.self_attn.k_proj"),
        ("blk.{0}.attn_v", "model.layers.{0}.self_attn.v_proj"),
        ("blk.{0}.attn_output", "model.layers.{0}.self_attn.o_proj"),
    ];

    private static readonly (string File, string Model)[] s_headNorms =
    [
        ("blk.{0}.attn_q_norm", "model.layers.{0}.self_attn.q_norm"),
        ("blk.{0}.attn_k_norm", "model.layers.{0}.self_attn.k_norm"),
    ];

    private static readonly (string File, string Model)[] s_gated =
    [
        ("blk.{0}.ffn_gate", "model.layers.{0}.mlp.gate_proj"),
        ("blk.{0}.ffn_up", "model.layers.{0}.mlp.up_proj"),
        ("blk.{0}.ffn_down", "model.layers.{0}.mlp.down_proj"),
    ];

    private static readonly (string File, string Model)[] s_norms =
    [
        ("blk.{0}.attn_norm", "model.layers.{0}.input_layernorm"),
        ("blk.{0}.ffn_norm", "model.layers.{0}.post_attention_layernorm"),
    ];

    private static readonly (string File, string Model)[] s_ends =
    [
        ("token_embd", "model.embed_tokens"),
        ("output_norm", "model.norm"),
        ("output", "lm_head"),
    ];

    private static readonly GgufFamily[] s_all =
    [
        new("llama", "llama", [.. s_sizes, s_keyHeads, s_rms, s_base], [.. s_ends, .. s_norms, .. s_attention, .. s_gated])
        {
            Interleaves = true,
            HasHeadSize = true,
            HasFrequencyFactors = true,
            AttentionBias = "attention_bias",
            PerceptronBias = "mlp_bias",
            Implied = new() { ["hidden_act"] = "silu" },
        },
        new("qwen2", "qwen2", [.. s_sizes, s_keyHeads, s_rms, s_base], [.. s_ends, .. s_norms, .. s_attention, .. s_gated])
        {
            Implied = new() { ["hidden_act"] = "silu", ["use_sliding_window"] = false },
        },
        new("qwen3", "qwen3", [.. s_sizes, s_keyHeads, s_rms, s_base], [.. s_ends, .. s_norms, .. s_attention, .. s_headNorms, .. s_gated])
        {
            HasHeadSize = true,
            Implied = new()
            {
                ["hidden_act"] = "silu",
                ["use_sliding_window"] = false,
                ["attention_bias"] = false,
            },
        },
        new(
            "olmo2",
            "olmo2",
            [.. s_sizes, s_keyHeads, s_rms, s_base],
            [
                .. s_ends,
                ("blk.{0}.post_attention_norm", "model.layers.{0}.post_attention_layernorm"),
                ("blk.{0}.post_ffw_norm", "model.layers.{0}.post_feedforward_layernorm"),
                .. s_attention,
                .. s_headNorms,
                .. s_gated,
            ]
        )
        {
            Implied = new() { ["hidden_act"] = "silu", ["attention_bias"] = false },
        },
        new(
            "starcoder2",
            "starcoder2",
            [.. s_sizes, s_keyHeads, new("attention.layer_norm_epsilon", "norm_epsilon", IsCount: false), s_base],
            [
                .. s_ends,
                .. s_norms,
                .. s_attention,
                ("blk.{0}.ffn_up", "model.layers.{0}.mlp.c_fc"),
                ("blk.{0}.ffn_down", "model.layers.{0}.mlp.c_proj"),
            ]
        )
        {
            Implied = new()
            {
                ["hidden_act"] = "gelu_pytorch_tanh",
                ["use_bias"] = true,
                ["sliding_window"] = null,
            },
        },
        new(
            "stablelm",
            "stablelm",
            [.. s_sizes, s_keyHeads, new("attention.layer_norm_epsilon", "layer_norm_eps", IsCount: false), s_base],
            [.. s_ends, .. s_norms, .. s_attention, .. s_gated]
        )
        {
            RotatedShare = "partial_rotary_factor",
            AttentionBias = "use_qkv_bias",
            IsParallelWithoutNorm = true,
            Implied = new() { ["hidden_act"] = "silu", ["qk_layernorm"] = false },
        },
        new(
            "gptneox",
            "gpt_neox",
            [
                .. s_sizes,
                new("attention.layer_norm_epsilon", "layer_norm_eps", IsCount: false),
                new("rope.freq_base", "rotary_emb_base", IsCount: false, Default: 10000),
            ],
            [
                ("token_embd", "gpt_neox.embed_in"),
                ("output_norm", "gpt_neox.final_layer_norm"),
                ("output", "embed_out"),
                ("blk.{0}.attn_norm", "gpt_neox.layers.{0}.input_layernorm"),
                ("blk.{0}.ffn_norm", "gpt_neox.layers.{0}.post_attention_layernorm"),
                ("blk.{0}.attn_qkv", "gpt_neox.layers.{0}.attention.query_key_value"),
                ("blk.{0}.attn_output", "gpt_neox.layers.{0}.attention.dense"),
                ("blk.{0}.ffn_up", "gpt_neox.layers.{0}.mlp.dense_h_to_4h"),
                ("blk.{0}.ffn_down", "gpt_neox.layers.{0}.mlp.dense_4h_to_h"),
            ]
        )
        {
            SeparatesFused = true,
            RotatedShare = "rotary_pct",
            Flags = [("use_parallel_residual", "use_parallel_residual", true)],
            Implied = new() { ["hidden_act"] = "gelu" },
        },
        new(
            "gpt2",
            "gpt2",
            [
                new("block_count", "n_layer"),
                new("context_length", "n_positions"),
                new("embedding_length", "n_embd"),
                new("feed_forward_length", "n_inner"),
                new("attention.head_count", "n_head"),
                new("attention.layer_norm_epsilon", "layer_norm_epsilon", IsCount: false),
            ],
            [
                ("token_embd", "transformer.wte"),
                ("position_embd", "transformer.wpe"),
                ("output_norm", "transformer.ln_f"),
                ("output", "lm_head"),
                ("blk.{0}.attn_norm", "transformer.h.{0}.ln_1"),
                ("blk.{0}.ffn_norm", "transformer.h.{0}.ln_2"),
                ("blk.{0}.attn_qkv", "transformer.h.{0}.attn.c_attn"),
                ("blk.{0}.attn_output", "transformer.h.{0}.attn.c_proj"),
                ("blk.{0}.ffn_up", "transformer.h.{0}.mlp.c_fc"),
                ("blk.{0}.ffn_down", "transformer.h.{0}.mlp.c_proj"),
            ]
        )
        {
            Transposed = ["attn_qkv", "attn_output", "ffn_up", "ffn_down"],
            Implied = new() { ["activation_function"] = "gelu_new" },
        },
    ];

    /// <summary>The family of a file.</summary>
    /// <exception cref="DfpoException"><c>gguf/unsupported</c>.</exception>
    public static GgufFamily Of(GgufFile file)
    {
        var name = file.Metadata.Text("general.architecture") ?? throw file.Metadata.Wrong("general.architecture", "there");
        return s_all.FirstOrDefault(family => family.Architecture == name)
            ?? throw new DfpoException(
                "gguf/unsupported",
                $"'{file.Path}' holds a model of the architecture '{name}': {Known(family => family.Architecture)} are read. Take the checkpoint's own folder, with safetensors."
            );
    }

    /// <summary>The family of an HF <c>model_type</c>.</summary>
    /// <exception cref="DfpoException"><c>gguf/unsupported</c>.</exception>
    public static GgufFamily OfModel(string modelType) =>
        s_all.FirstOrDefault(family => family.ModelType == modelType)
        ?? throw new DfpoException(
            "gguf/unsupported",
            $"A model of type '{modelType}' cannot be written as GGUF: {Known(family => family.ModelType)} can. Export it in the default format."
        );

    private static string Known(Func<GgufFamily, string> name) => string.Join(", ", s_all.Select(family => $"'{name(family)}'"));
}
