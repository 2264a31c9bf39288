using System.Text.Json.Nodes;
using DfPO.Models.Layers;

namespace DfPO.Models.Decoders.Families;

/// <summary>Llama, and what has its shape: grouped queries, a gated perceptron, RMS norms before both.</summary>
/// <remarks>Sources: Touvron et al. 2023; HF's <c>LlamaForCausalLM</c>.</remarks>
internal static class Llama
{
    public static DecoderConfig Parse(JsonObject json, string path)
    {
        var reader = new DecoderReader(json, path);
        var fields = reader.Fields;
        var biased = fields.Flag("attention_bias", false);
        return reader.Finish(
            Shape(reader, "llama", "LlamaForCausalLM", reader.HeadSize, reader.KeyValueHeads(), epsilon: 1e-6) with
            {
                QueryKeyValueBias = biased,
                OutputBias = biased,
                MlpBias = fields.Flag("mlp_bias", false),
            },
            tied: false,
            bos: 1,
            eos: 2,
            harmless: "pretraining_tp"
        );
    }

    /// <summary>The shape that Llama's relatives share, under the names of its file.</summary>
    public static DecoderConfig Shape(
        DecoderReader reader,
        string family,
        string architecture,
        int headSize,
        int keyValueHeads,
        double epsilon,
        RopeSpec? rope = null
    )
    {
        var fields = reader.Fields;
        return new DecoderConfig
        {
            Family = family,
            Architecture = architecture,
            VocabSize = fields.Positive("vocab_size"),
            Width = reader.Width,
            EmbeddingWidth = reader.Width,
            Layers = reader.Layers,
            Heads = reader.Heads,
            KeyValueHeads = keyValueHeads,
            HeadSize = headSize,
            InnerWidth = fields.Positive("intermediate_size"),
            Positions = reader.Positions,
            NormEpsilon = fields.Number("rms_norm_eps", epsilon),
            Activation = fields.Text("hidden_act", "silu"),
            Scale = 1 / Math.Sqrt(headSize),
            Rope = rope ?? reader.Rope(headSize),
            Windows = new int?[reader.Layers],
        };
    }
}
