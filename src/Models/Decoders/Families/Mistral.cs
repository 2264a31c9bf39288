using System.Text.Json.Nodes;

namespace DfPO.Models.Decoders.Families;

/// <summary>Mistral: Llama with a window in every layer.</summary>
/// <remarks>Sources: Jiang et al. 2023; HF's <c>MistralForCausalLM</c>.</remarks>
internal static class Mistral
{
    public static DecoderConfig Parse(JsonObject json, string path)
    {
        var reader = new DecoderReader(json, path);
        return reader.Finish(
            Llama.Shape(reader, "mistral", "MistralForCausalLM", reader.HeadSize, reader.KeyValueHeads(8), epsilon: 1e-6) with
            {
                Windows = reader.Windows(fallback: 4096),
            },
            tied: false,
            bos: 1,
            eos: 2
        );
    }
}
