using System.Text.Json.Nodes;
using DfPO.Models.Decoders;

namespace DfPO.Models.Tests.Architectures;

/// <summary>
/// Fields that published <c>config.json</c> files have beyond those of their class are read over where they say what is computed anyway,
/// and refused where they do not.
/// </summary>
public sealed class PublishedConfigurationTests
{
    private const string Rope =
        "\"hidden_size\": 24, \"intermediate_size\": 40, \"num_hidden_layers\": 2, \"num_attention_heads\": 4, \"num_key_value_heads\": 2, \"vocab_size\": 31, \"max_position_embeddings\": 64, \"bos_token_id\": 1, \"eos_token_id\": 2, \"pad_token_id\": null";

    /// <summary>Model, its additional fields, and how many of its layers have a window.</summary>
    public static TheoryData<string, string, int> Files =>
        new()
        {
            // SmolLM2
            {
                "llama",
                """ "attention_bias": false, "is_llama_config": true, "mlp_bias": false, "pretraining_tp": 1, "rope_interleaved": false, "rope_scaling": null, "rope_theta": 100000, "transformers.js_config": {"dtype": "q4"} """,
                0
            },
            // DeepSeek's distilled Qwen
            { "qwen2", """ "max_window_layers": 21, "sliding_window": 4096, "use_mrope": false, "use_sliding_window": false """, 0 },
            // Phi-3-mini and Phi-4-mini
            {
                "phi3",
                """ "_name_or_path": "x", "attention_bias": false, "auto_map": {"AutoConfig": "y"}, "embd_pdrop": 0.0, "original_max_position_embeddings": 64, "resid_pdrop": 0.0, "rope_scaling": null, "sliding_window": 8 """,
                2
            },
            {
                "phi3",
                """ "attention_bias": false, "full_attn_mod": 1, "interpolate_factor": 1, "lm_head_bias": false, "mlp_bias": false, "partial_rotary_factor": 0.75, "original_max_position_embeddings": 16, "sliding_window": 262144, "rope_scaling": {"type": "longrope", "short_factor": [1, 1], "long_factor": [1, 2]} """,
                2
            },
            // StarCoder 2 of 3B and of 15B
            {
                "starcoder2",
                """ "activation_function": "gelu", "attention_softmax_in_fp32": true, "layer_norm_epsilon": 1e-05, "mlp_type": "default", "norm_epsilon": 1e-05, "norm_type": "layer_norm", "scale_attention_softmax_in_fp32": true, "scale_attn_weights": true, "sliding_window": 9, "use_bias": true """,
                2
            },
            {
                "starcoder2",
                """ "mlp_type": "default", "norm_type": "layer_norm", "rms_norm_eps": 1e-05, "tie_word_embeddings": false """,
                0
            },
            // Gemma 2 and 3
            {
                "gemma2",
                """ "cache_implementation": "hybrid", "head_dim": 8, "hidden_act": "gelu_pytorch_tanh", "hidden_activation": "gelu_pytorch_tanh", "query_pre_attn_scalar": 8, "sliding_window": 9, "sliding_window_size": 4096 """,
                1
            },
            {
                "gemma3_text",
                """ "cache_implementation": "hybrid", "head_dim": 8, "sliding_window_pattern": 2, "sliding_window": 9, "rope_local_base_freq": 10000, "attn_logit_softcapping": 50.0, "final_logit_softcapping": null, "use_bidirectional_attention": false """,
                1
            },
        };

    [Theory]
    [MemberData(nameof(Files))]
    public void AFileAsItIsPublishedIsRead(string type, string fields, int windows)
    {
        var json = (JsonObject)JsonNode.Parse($"{{\"model_type\": \"{type}\", {Rope}, {fields} }}")!;

        var config = (DecoderConfig)ModelConfig.FromJson(json, "config.json");

        Assert.Equal(windows, config.Windows.Count(window => window is not null));
    }

    [Fact]
    public void Gemma3sBoundOfScoresIsNotAppliedAsTheOriginalDoesNotApplyIt()
    {
        static double? Cap(string type) =>
            (
                (DecoderConfig)
                    ModelConfig.FromJson(
                        (JsonObject)
                            JsonNode.Parse($"{{\"model_type\": \"{type}\", {Rope}, \"head_dim\": 8, \"attn_logit_softcapping\": 7 }}")!,
                        "config.json"
                    )
            ).ScoreCap;

        Assert.Equal(7, Cap("gemma2"));
        Assert.Null(Cap("gemma3_text"));
    }
}
