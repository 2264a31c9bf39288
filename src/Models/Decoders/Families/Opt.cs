using System.Text.Json.Nodes;

namespace DfPO.Models.Decoders.Families;

/// <summary>
/// OPT: learnt positions that begin at row 2, layer norms before attention and perceptron, or after their sums and then with an embedding
/// of its own width.
/// </summary>
/// <remarks>Sources: Zhang et al. 2022; HF's <c>OPTForCausalLM</c>.</remarks>
internal static class Opt
{
    private const int Offset = 2;

    public static DecoderConfig Parse(JsonObject json, string path)
    {
        var reader = new DecoderReader(json, path);
        var fields = reader.Fields;
        var (headSize, before, biased) = (
            reader.SharedHeadSize,
            fields.Flag("do_layer_norm_before", true),
            fields.Flag("enable_bias", true)
        );
        var last = !fields.Flag("_remove_final_layer_norm", false) && before;
        if (!fields.Flag("layer_norm_elementwise_affine", true))
            throw fields.Wrong("layer_norm_elementwise_affine", "true: norms without weights are not known");
        return reader.Finish(
            new DecoderConfig
            {
                Family = "opt",
                Architecture = "OPTForCausalLM",
                Names = new DecoderNames
                {
                    Body = "model.decoder",
                    Positions = "embed_positions",
                    FinalNorm = last ? "final_layer_norm" : null,
                    AttentionNorm = "self_attn_layer_norm",
                    MlpNorm = "final_layer_norm",
                    Output = "self_attn.out_proj",
                    Gate = null,
                    Expansion = "fc1",
                    Contraction = "fc2",
                },
                VocabSize = fields.Positive("vocab_size"),
                Width = reader.Width,
                EmbeddingWidth = fields.OptionalPositive("word_embed_proj_dim") ?? reader.Width,
                Layers = reader.Layers,
                Heads = reader.Heads,
                KeyValueHeads = reader.Heads,
                HeadSize = headSize,
                InnerWidth = fields.Positive("ffn_dim"),
                Positions = reader.Positions,
                LearnedPositions = reader.Positions + Offset,
                PositionOffset = Offset,
                Norm = NormKind.Layer,
                NormEpsilon = 1e-5,
                Residual = before ? ResidualKind.Serial : ResidualKind.NormedSums,
                QueryKeyValueBias = biased,
                OutputBias = biased,
                MlpBias = biased,
                Activation = fields.Text("activation_function", "relu"),
                Scale = 1 / Math.Sqrt(headSize),
                Windows = new int?[reader.Layers],
            },
            tied: true,
            bos: 2,
            eos: 2,
            pad: 1,
            harmless: "init_std"
        );
    }
}
