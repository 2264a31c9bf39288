using System.Text.Json.Nodes;

namespace DfPO.Models.Decoders.Families;

/// <summary>OLMo 2: Llama with norms after attention and perceptron alone, and norms of all queries and of all keys.</summary>
/// <remarks>Sources: OLMo et al. 2025; HF's <c>Olmo2ForCausalLM</c>.</remarks>
internal static class Olmo2
{
    private static readonly DecoderNames s_names = new()
    {
        AttentionNorm = null,
        AttentionOutputNorm = "post_attention_layernorm",
        MlpNorm = null,
        MlpOutputNorm = "post_feedforward_layernorm",
    };

    public static DecoderConfig Parse(JsonObject json, string path)
    {
        var reader = new DecoderReader(json, path);
        var biased = reader.Fields.Flag("attention_bias", false);
        return reader.Finish(
            Llama.Shape(reader, "olmo2", "Olmo2ForCausalLM", reader.SharedHeadSize, reader.KeyValueHeads(), epsilon: 1e-5) with
            {
                Names = s_names,
                HeadNorm = HeadNorm.Whole,
                QueryKeyValueBias = biased,
                OutputBias = biased,
            },
            tied: false,
            eos: 50279,
            pad: 1
        );
    }
}
