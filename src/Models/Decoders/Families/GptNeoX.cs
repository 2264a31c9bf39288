using System.Text.Json.Nodes;
using DfPO.Models.Layers;

namespace DfPO.Models.Decoders.Families;

/// <summary>
/// GPT-NeoX and Pythia: queries, keys and values of a head side by side, a part of each head that turns, attention and perceptron side by
/// side of two norms, or one after the other.
/// </summary>
/// <remarks>Sources: Black et al. 2022; HF's <c>GPTNeoXForCausalLM</c>.</remarks>
internal static class GptNeoX
{
    private static readonly DecoderNames s_names = new()
    {
        Body = "gpt_neox",
        Embedding = "embed_in",
        FinalNorm = "final_layer_norm",
        Head = "embed_out",
        QueryKeyValue = "attention.query_key_value",
        Output = "attention.dense",
        Gate = null,
        Expansion = "mlp.dense_h_to_4h",
        Contraction = "mlp.dense_4h_to_h",
    };

    public static DecoderConfig Parse(JsonObject json, string path)
    {
        var reader = new DecoderReader(json, path);
        var fields = reader.Fields;
        var (headSize, biased) = (reader.SharedHeadSize, fields.Flag("attention_bias", true));
        var rope = new RopeReader(fields, headSize, reader.Positions)
        {
            ThetaName = "rotary_emb_base",
            PartialName = "rotary_pct",
            DefaultPartial = 0.25,
        }.Read();
        return reader.Finish(
            new DecoderConfig
            {
                Family = "gpt_neox",
                Architecture = "GPTNeoXForCausalLM",
                Names = s_names,
                VocabSize = fields.Positive("vocab_size"),
                Width = reader.Width,
                EmbeddingWidth = reader.Width,
                Layers = reader.Layers,
                Heads = reader.Heads,
                KeyValueHeads = reader.Heads,
                HeadSize = headSize,
                InnerWidth = fields.Positive("intermediate_size"),
                Positions = reader.Positions,
                Norm = NormKind.Layer,
                NormEpsilon = fields.Number("layer_norm_eps", 1e-5),
                Residual = fields.Flag("use_parallel_residual", true) ? ResidualKind.Parallel : ResidualKind.Serial,
                Layout = ProjectionLayout.ByHead,
                QueryKeyValueBias = biased,
                OutputBias = biased,
                MlpBias = true,
                Activation = fields.Text("hidden_act", "gelu"),
                Scale = 1 / Math.Sqrt(headSize),
                Rope = rope,
                Windows = new int?[reader.Layers],
            },
            tied: false,
            bos: 0,
            eos: 2,
            padded: false
        );
    }
}
