using System.Text.Json.Nodes;
using DfPO.Models.Layers;

namespace DfPO.Models.Decoders.Families;

/// <summary>
/// Phi-3 and Phi-4: Llama with one projection of queries, keys and values and one of gate and expansion, a part of each head that turns,
/// and LongRoPE.
/// </summary>
/// <remarks>Sources: Abdin et al. 2024; HF's <c>Phi3ForCausalLM</c>.</remarks>
internal static class Phi3
{
    private static readonly DecoderNames s_names = new()
    {
        QueryKeyValue = "self_attn.qkv_proj",
        Gate = "mlp.gate_up_proj",
        Expansion = null,
    };

    public static DecoderConfig Parse(JsonObject json, string path)
    {
        var reader = new DecoderReader(json, path);
        var fields = reader.Fields;
        var headSize = reader.SharedHeadSize;
        var rope = new RopeReader(fields, headSize, reader.Positions)
        {
            PartialName = "partial_rotary_factor",
            Original = fields.OptionalPositive("original_max_position_embeddings") ?? 4096,
            OriginalWins = true,
            NamesOfLongRope = true,
        }.Read();
        return reader.Finish(
            Llama.Shape(reader, "phi3", "Phi3ForCausalLM", headSize, reader.KeyValueHeads(), epsilon: 1e-5, rope) with
            {
                Names = s_names,
                Layout = ProjectionLayout.Blocks,
                Windows = reader.Windows(),
            },
            tied: false,
            bos: 1,
            eos: 32000,
            pad: 32000
        );
    }
}
