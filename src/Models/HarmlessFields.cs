using System.Text.Json.Nodes;

namespace DfPO.Models;

/// <summary>Fields of any <c>config.json</c> that change nothing of what a model computes here.</summary>
internal static class HarmlessFields
{
    // Bookkeeping, defaults of generation that its own options replace, dropout (which is off), and names of labels and tasks.
    private static readonly HashSet<string> s_any = new(StringComparer.Ordinal)
    {
        "architectures", "model_type", "transformers_version", "torch_dtype", "dtype", "_name_or_path", "name_or_path", "_note", "_comment", "auto_map", "use_cache", "gradient_checkpointing", "torchscript",
        "attn_implementation", "_attn_implementation", "_attn_implementation_autoset", "unsloth_fixed", "unsloth_version", "_commit_hash", "model_parallel",
        "id2label", "label2id", "num_labels", "_num_labels", "problem_type", "finetuning_task", "task_specific_params", "return_dict", "output_attentions", "output_hidden_states",
        "bos_token_id", "eos_token_id", "pad_token_id", "sep_token_id", "cls_token_id", "unk_token_id", "mask_token_id", "decoder_start_token_id", "tokenizer_class", "prefix", "initializer_range",
        "max_length", "min_length", "do_sample", "early_stopping", "num_beams", "num_beam_groups", "diversity_penalty", "temperature", "top_k", "top_p", "typical_p", "repetition_penalty",
        "length_penalty", "no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "bad_words_ids", "num_return_sequences", "output_scores", "return_dict_in_generate", "forced_bos_token_id",
        "forced_eos_token_id", "remove_invalid_values", "exponential_decay_length_penalty", "suppress_tokens", "begin_suppress_tokens", "cache_implementation", "is_decoder", "tf_legacy_loss",
        "use_bfloat16", "attention_dropout", "hidden_dropout", "classifier_dropout", "embd_pdrop", "resid_pdrop", "attn_pdrop", "embed_dropout", "embedding_dropout", "resid_dropout",
        "residual_dropout", "dropout", "dropout_rate", "activation_dropout", "layerdrop", "transformers.js_config",
    };

    // Fields that do change something unless they have the value that stands for nothing.
    private static readonly Dictionary<string, string[]> s_neutral = new(StringComparer.Ordinal)
    {
        ["is_encoder_decoder"] = ["false"],
        ["add_cross_attention"] = ["false"],
        ["tie_encoder_decoder"] = ["false"],
        ["chunk_size_feed_forward"] = ["0"],
        ["pruned_heads"] = ["{}"],
        ["use_bidirectional_attention"] = ["false"],
        ["position_embedding_type"] = ["\"absolute\""],
        // Published files say so of what their class has no switch for.
        ["attention_bias"] = ["false"],
        ["mlp_bias"] = ["false"],
        ["lm_head_bias"] = ["false"],
        ["is_llama_config"] = ["true"],
        ["rope_interleaved"] = ["false"],
        ["use_mrope"] = ["false"],
        ["full_attn_mod"] = ["1"],
        ["interpolate_factor"] = ["1"],
        ["mlp_type"] = ["\"default\""],
        ["norm_type"] = ["\"layer_norm\""],
        ["scale_attn_weights"] = ["true"],
    };

    /// <summary>Whether a field with this value can be passed over.</summary>
    public static bool Contains(string field, JsonNode value) => s_any.Contains(field) || (s_neutral.TryGetValue(field, out var values) && values.Contains(value.ToJsonString()));
}
