using System.Text.Json.Nodes;

namespace DfPO.Models.Decoders.Families;

/// <summary>StarCoder 2: grouped queries, layer norms, a plain perceptron, biases, and a window.</summary>
/// <remarks>Sources: Lozhkov et al. 2024; HF's <c>Starcoder2ForCausalLM</c>.</remarks>
internal static class Starcoder2
{
    private static readonly DecoderNames s_names = new()
    {
        Gate = null,
        Expansion = "mlp.c_fc",
        Contraction = "mlp.c_proj",
    };

    public static DecoderConfig Parse(JsonObject json, string path)
    {
        var reader = new DecoderReader(json, path);
        var fields = reader.Fields;
        var (headSize, biased) = (reader.SharedHeadSize, fields.Flag("use_bias", true));
        return reader.Finish(
            new DecoderConfig
            {
                Family = "starcoder2",
                Architecture = "Starcoder2ForCausalLM",
                Names = s_names,
                VocabSize = fields.Positive("vocab_size"),
                Width = reader.Width,
                EmbeddingWidth = reader.Width,
                Layers = reader.Layers,
                Heads = reader.Heads,
                KeyValueHeads = reader.KeyValueHeads(2),
                HeadSize = headSize,
                InnerWidth = fields.Positive("intermediate_size"),
                Positions = reader.Positions,
                Norm = NormKind.Layer,
                NormEpsilon = fields.Number("norm_epsilon", 1e-5),
                QueryKeyValueBias = biased,
                OutputBias = biased,
                MlpBias = biased,
                Activation = fields.Text("hidden_act", "gelu_pytorch_tanh"),
                Scale = 1 / Math.Sqrt(headSize),
                Rope = reader.Rope(headSize),
                Windows = reader.Windows(),
            },
            tied: true,
            bos: 50256,
            eos: 50256,
            // Published files name activation and norms a second time, as their predecessor did; the original reads the newer names alone.
            harmless:
            [
                "activation_function",
                "layer_norm_epsilon",
                "rms_norm_eps",
                "attention_softmax_in_fp32",
                "scale_attention_softmax_in_fp32",
            ]
        );
    }
}
