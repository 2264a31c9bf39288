using System.Text.Json.Nodes;
using DfPO.Models.Layers;

namespace DfPO.Models.Decoders.Families;

/// <summary>
/// StableLM: Llama with layer norms and a part of each head that turns; attention and perceptron one after the other, or side by side of
/// one norm.
/// </summary>
/// <remarks>HF's <c>StableLmForCausalLM</c>.</remarks>
internal static class StableLm
{
    public static DecoderConfig Parse(JsonObject json, string path)
    {
        var reader = new DecoderReader(json, path);
        var fields = reader.Fields;
        var headSize = reader.SharedHeadSize;
        var parallel = fields.Flag("use_parallel_residual", false);
        var rope = new RopeReader(fields, headSize, reader.Positions)
        {
            PartialName = "partial_rotary_factor",
            DefaultPartial = 0.25,
        }.Read();
        return reader.Finish(
            new DecoderConfig
            {
                Family = "stablelm",
                Architecture = "StableLmForCausalLM",
                Names = new DecoderNames
                {
                    MlpNorm = parallel ? null : "post_attention_layernorm",
                    QueryNorm = "self_attn.q_layernorm",
                    KeyNorm = "self_attn.k_layernorm",
                },
                VocabSize = fields.Positive("vocab_size"),
                Width = reader.Width,
                EmbeddingWidth = reader.Width,
                Layers = reader.Layers,
                Heads = reader.Heads,
                KeyValueHeads = reader.KeyValueHeads(32),
                HeadSize = headSize,
                InnerWidth = fields.Positive("intermediate_size"),
                Positions = reader.Positions,
                Norm = NormKind.Layer,
                NormEpsilon = fields.Number("layer_norm_eps", 1e-5),
                Residual = parallel ? ResidualKind.Parallel : ResidualKind.Serial,
                HeadNorm = fields.Flag("qk_layernorm", false) ? HeadNorm.Own : HeadNorm.None,
                QueryKeyValueBias = fields.Flag("use_qkv_bias", false),
                Activation = fields.Text("hidden_act", "silu"),
                Scale = 1 / Math.Sqrt(headSize),
                Rope = rope,
                Windows = new int?[reader.Layers],
            },
            tied: false,
            bos: 0,
            eos: 0
        );
    }
}
