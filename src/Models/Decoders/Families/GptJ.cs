using System.Text.Json.Nodes;
using DfPO.Models.Layers;

namespace DfPO.Models.Decoders.Families;

/// <summary>
/// GPT-J: neighbouring channels of a part of each head turn together, attention and perceptron side by side of one norm, a head with a
/// bias.
/// </summary>
/// <remarks>Sources: Wang and Komatsuzaki 2021; HF's <c>GPTJForCausalLM</c>.</remarks>
internal static class GptJ
{
    private static readonly DecoderNames s_names = new()
    {
        Body = "transformer",
        Embedding = "wte",
        Blocks = "h",
        FinalNorm = "ln_f",
        AttentionNorm = "ln_1",
        MlpNorm = null,
        Query = "attn.q_proj",
        Key = "attn.k_proj",
        Value = "attn.v_proj",
        Output = "attn.out_proj",
        Gate = null,
        Expansion = "mlp.fc_in",
        Contraction = "mlp.fc_out",
    };

    public static DecoderConfig Parse(JsonObject json, string path)
    {
        var reader = new DecoderReader(json, path);
        var fields = reader.Fields;
        int width = fields.Positive("n_embd"),
            heads = fields.Positive("n_head"),
            layers = fields.Positive("n_layer");
        var headSize = width % heads == 0 ? width / heads : throw fields.Wrong("n_head", $"a divisor of the width {width}");
        var turning = fields.Has("rotary_dim") ? fields.OptionalPositive("rotary_dim") ?? width : 64;
        if (turning % 2 != 0 || turning > headSize)
            throw fields.Wrong("rotary_dim", $"even and at most the head size {headSize}");
        var config = reader.Finish(
            new DecoderConfig
            {
                Family = "gptj",
                Architecture = "GPTJForCausalLM",
                Names = s_names,
                VocabSize = fields.Positive("vocab_size"),
                Width = width,
                EmbeddingWidth = width,
                Layers = layers,
                Heads = heads,
                KeyValueHeads = heads,
                HeadSize = headSize,
                InnerWidth = fields.OptionalPositive("n_inner") ?? 4 * width,
                Positions = fields.Positive("n_positions"),
                Norm = NormKind.Layer,
                NormEpsilon = fields.Number("layer_norm_epsilon", 1e-5),
                Residual = ResidualKind.Parallel,
                MlpBias = true,
                HeadBias = true,
                Activation = fields.Text("activation_function", "gelu_new"),
                Scale = 1 / Math.Sqrt(headSize),
                Rope = new RopeSpec(turning, 10000, RopeScaling.None, Interleaved: true),
                Windows = new int?[layers],
            },
            tied: false,
            bos: 50256,
            eos: 50256,
            padded: false,
            harmless:
            [
                "rotary",
                "scale_attn_weights",
                "n_ctx",
                "summary_type",
                "summary_use_proj",
                "summary_activation",
                "summary_proj_to_labels",
                "summary_first_dropout",
            ]
        );
        return config.TieWordEmbeddings
            ? throw fields.Wrong("tie_word_embeddings", "false: a GPT-J's head has a weight and a bias of its own")
            : config;
    }
}
