using System.Text.Json.Nodes;
using DfPO.Models;

namespace DfPO.Tests.Support;

/// <summary>Small configurations of every decoder family and variant, as their <c>config.json</c> would say it.</summary>
internal static class DecoderConfigs
{
    private const string Rope = "\"hidden_size\": 24, \"intermediate_size\": 40, \"num_hidden_layers\": 2";
    private const string Gpt = "\"n_embd\": 24, \"n_layer\": 2";

    private static readonly Dictionary<string, string> s_all = new()
    {
        ["gptj"] = $"\"model_type\": \"gptj\", {Gpt}, \"n_head\": 2, \"rotary_dim\": 8",
        ["gptj fully rotated"] = $"\"model_type\": \"gptj\", {Gpt}, \"n_head\": 3, \"rotary_dim\": 8, \"n_inner\": 20",
        ["llama"] = $"\"model_type\": \"llama\", {Rope}, \"num_attention_heads\": 6, \"num_key_value_heads\": 2, \"head_dim\": 8",
        ["llama tied"] =
            $"\"model_type\": \"llama\", {Rope}, \"num_attention_heads\": 6, \"num_key_value_heads\": 6, \"head_dim\": 8, \"tie_word_embeddings\": true",
        ["llama with biases"] =
            $"\"model_type\": \"llama\", {Rope}, \"num_attention_heads\": 6, \"num_key_value_heads\": 2, \"head_dim\": 8, \"attention_bias\": true, \"mlp_bias\": true, \"rope_scaling\": {{\"rope_type\": \"llama3\", \"factor\": 1.5, \"low_freq_factor\": 1, \"high_freq_factor\": 4, \"original_max_position_embeddings\": 16}}",
        ["llama dynamic"] =
            $"\"model_type\": \"llama\", {Rope}, \"num_attention_heads\": 4, \"num_key_value_heads\": 1, \"head_dim\": 6, \"rope_scaling\": {{\"rope_type\": \"dynamic\", \"factor\": 4}}",
        ["mistral"] = $"\"model_type\": \"mistral\", {Rope}, \"num_attention_heads\": 4, \"num_key_value_heads\": 2, \"sliding_window\": 4",
        ["qwen2"] =
            $"\"model_type\": \"qwen2\", {Rope}, \"num_attention_heads\": 4, \"num_key_value_heads\": 1, \"tie_word_embeddings\": true, \"use_sliding_window\": true, \"sliding_window\": 3, \"max_window_layers\": 1",
        ["qwen3"] = $"\"model_type\": \"qwen3\", {Rope}, \"num_attention_heads\": 4, \"num_key_value_heads\": 2, \"head_dim\": 8",
        ["gemma2"] =
            $"\"model_type\": \"gemma2\", {Rope}, \"num_attention_heads\": 4, \"num_key_value_heads\": 2, \"head_dim\": 8, \"sliding_window\": 4, \"attn_logit_softcapping\": 2.5, \"final_logit_softcapping\": 6, \"query_pre_attn_scalar\": 12, \"pad_token_id\": 0",
        ["gemma3"] =
            $"\"model_type\": \"gemma3_text\", {Rope}, \"num_attention_heads\": 4, \"num_key_value_heads\": 1, \"head_dim\": 8, \"sliding_window\": 5, \"sliding_window_pattern\": 2, \"rope_scaling\": {{\"rope_type\": \"linear\", \"factor\": 2}}, \"rope_local_base_freq\": 100, \"pad_token_id\": 0",
        ["phi3"] =
            $"\"model_type\": \"phi3\", {Rope}, \"num_attention_heads\": 3, \"num_key_value_heads\": 1, \"partial_rotary_factor\": 0.5, \"sliding_window\": 4, \"pad_token_id\": null",
        ["phi3 longrope"] =
            $"\"model_type\": \"phi3\", {Rope}, \"num_attention_heads\": 4, \"original_max_position_embeddings\": 9, \"rope_scaling\": {{\"type\": \"longrope\", \"short_factor\": [1, 1.2, 1.4], \"long_factor\": [1.5, 2, 3]}}, \"pad_token_id\": null",
        ["gpt_neox"] = $"\"model_type\": \"gpt_neox\", {Rope}, \"num_attention_heads\": 3, \"rotary_pct\": 0.5",
        ["gpt_neox serial"] =
            $"\"model_type\": \"gpt_neox\", {Rope}, \"num_attention_heads\": 2, \"rotary_pct\": 1, \"use_parallel_residual\": false, \"attention_bias\": false",
        ["olmo2"] = $"\"model_type\": \"olmo2\", {Rope}, \"num_attention_heads\": 4, \"num_key_value_heads\": 2",
        ["stablelm"] =
            $"\"model_type\": \"stablelm\", {Rope}, \"num_attention_heads\": 2, \"num_key_value_heads\": 1, \"partial_rotary_factor\": 0.5, \"use_qkv_bias\": true",
        ["stablelm parallel"] =
            $"\"model_type\": \"stablelm\", {Rope}, \"num_attention_heads\": 4, \"num_key_value_heads\": 2, \"partial_rotary_factor\": 0.7, \"use_parallel_residual\": true, \"qk_layernorm\": true",
        ["starcoder2"] = $"\"model_type\": \"starcoder2\", {Rope}, \"num_attention_heads\": 4, \"sliding_window\": 6",
        ["opt"] =
            "\"model_type\": \"opt\", \"hidden_size\": 24, \"ffn_dim\": 40, \"num_hidden_layers\": 2, \"num_attention_heads\": 4, \"tie_word_embeddings\": false",
        ["opt normed sums"] =
            "\"model_type\": \"opt\", \"hidden_size\": 24, \"ffn_dim\": 40, \"num_hidden_layers\": 2, \"num_attention_heads\": 4, \"do_layer_norm_before\": false, \"word_embed_proj_dim\": 16",
        ["gpt_neo"] =
            "\"model_type\": \"gpt_neo\", \"hidden_size\": 24, \"num_layers\": 2, \"num_heads\": 4, \"attention_types\": [[[\"local\", \"global\"], 1]], \"window_size\": 3",
        ["gpt_bigcode"] = $"\"model_type\": \"gpt_bigcode\", {Gpt}, \"n_head\": 4",
        ["gpt_bigcode by head"] = $"\"model_type\": \"gpt_bigcode\", {Gpt}, \"n_head\": 4, \"multi_query\": false, \"n_inner\": 20",
    };

    /// <summary>Their names.</summary>
    public static IEnumerable<string> Names => s_all.Keys;

    /// <summary>Those whose rotation depends on a text's length.</summary>
    public static bool Restretches(string name) => name is "llama dynamic" or "phi3 longrope";

    /// <summary>One of them, with the last token for the end of text.</summary>
    public static ModelConfig Of(string name, int vocabulary, int positions) =>
        ModelConfig.FromJson(Json(name, vocabulary, positions), "config.json");

    /// <summary>Its file.</summary>
    public static JsonObject Json(string name, int vocabulary, int positions)
    {
        var json = (JsonObject)JsonNode.Parse($"{{{s_all[name]}}}")!;
        json["vocab_size"] = vocabulary;
        json["initializer_range"] = 0.3;
        json["bos_token_id"] = null;
        json["eos_token_id"] = vocabulary - 1;
        // A dynamic rotation reaches as far as its factor.
        json[json.ContainsKey("n_embd") ? "n_positions" : "max_position_embeddings"] = name == "llama dynamic" ? positions / 4 : positions;
        if (json["model_type"]!.ToString() is "opt" or "olmo2")
            json["pad_token_id"] = 1;
        return json;
    }
}
