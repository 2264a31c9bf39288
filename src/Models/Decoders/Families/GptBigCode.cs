using System.Text.Json.Nodes;

namespace DfPO.Models.Decoders.Families;

/// <summary>
/// GPT-BigCode (SantaCoder, StarCoder): GPT-2 with one head of keys and values for all queries, or with those of a head side by side.
/// </summary>
/// <remarks>Sources: Ben Allal et al. 2023; HF's <c>GPTBigCodeForCausalLM</c>.</remarks>
internal static class GptBigCode
{
    private static readonly DecoderNames s_names = new()
    {
        Body = "transformer",
        Embedding = "wte",
        Positions = "wpe",
        Blocks = "h",
        FinalNorm = "ln_f",
        AttentionNorm = "ln_1",
        MlpNorm = "ln_2",
        QueryKeyValue = "attn.c_attn",
        Output = "attn.c_proj",
        Gate = null,
        Expansion = "mlp.c_fc",
        Contraction = "mlp.c_proj",
    };

    public static DecoderConfig Parse(JsonObject json, string path)
    {
        var reader = new DecoderReader(json, path);
        var fields = reader.Fields;
        int width = fields.Positive("n_embd"),
            heads = fields.Positive("n_head"),
            layers = fields.Positive("n_layer"),
            positions = fields.Positive("n_positions");
        var headSize = width % heads == 0 ? width / heads : throw fields.Wrong("n_head", $"a divisor of the width {width}");
        var single = fields.Flag("multi_query", true);
        return reader.Finish(
            new DecoderConfig
            {
                Family = "gpt_bigcode",
                Architecture = "GPTBigCodeForCausalLM",
                Names = s_names,
                VocabSize = fields.Positive("vocab_size"),
                Width = width,
                EmbeddingWidth = width,
                Layers = layers,
                Heads = heads,
                KeyValueHeads = single ? 1 : heads,
                HeadSize = headSize,
                InnerWidth = fields.OptionalPositive("n_inner") ?? 4 * width,
                Positions = positions,
                LearnedPositions = positions,
                Norm = NormKind.Layer,
                NormEpsilon = fields.Number("layer_norm_epsilon", 1e-5),
                Layout = single ? ProjectionLayout.Blocks : ProjectionLayout.ByHead,
                QueryKeyValueBias = true,
                OutputBias = true,
                MlpBias = true,
                Activation = fields.Text("activation_function", "gelu_pytorch_tanh"),
                Scale = fields.Flag("scale_attn_weights", true) ? 1 / Math.Sqrt(headSize) : 1,
                Windows = new int?[layers],
            },
            tied: true,
            bos: 50256,
            eos: 50256,
            padded: false,
            // Precision of the softmax, which is float32 or what the products are in; the number of heads follows from multi_query; how the
            // original runs.
            harmless:
            [
                "attention_softmax_in_fp32",
                "scale_attention_softmax_in_fp32",
                "num_key_value_heads",
                "inference_runner",
                "validate_runner_input",
                "pre_allocate_kv_cache",
                "max_sequence_length",
                "max_batch_size",
                "pad_key_length",
                "n_ctx",
                "summary_type",
                "summary_use_proj",
                "summary_activation",
                "summary_proj_to_labels",
                "summary_first_dropout",
            ]
        );
    }
}
