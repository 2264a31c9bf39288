using System.Text.Json.Nodes;

namespace DfPO.Models.Decoders.Families;

/// <summary>
/// Qwen 2 (biases of queries, keys and values) and Qwen 3 (a norm of every head before it turns): Llama with a window in the upper layers,
/// if it is switched on.
/// </summary>
/// <remarks>Sources: Yang et al. 2024 and 2025; HF's <c>Qwen2ForCausalLM</c> and <c>Qwen3ForCausalLM</c>.</remarks>
internal static class Qwen
{
    public static DecoderConfig Parse2(JsonObject json, string path)
    {
        var reader = new DecoderReader(json, path);
        return reader.Finish(
            Llama.Shape(reader, "qwen2", "Qwen2ForCausalLM", reader.HeadSize, reader.KeyValueHeads(32, nullable: true), epsilon: 1e-6) with
            {
                QueryKeyValueBias = true,
                Windows = Windows(reader),
            },
            tied: false
        );
    }

    public static DecoderConfig Parse3(JsonObject json, string path)
    {
        var reader = new DecoderReader(json, path);
        var biased = reader.Fields.Flag("attention_bias", false);
        var headSize = reader.Fields.OptionalPositive("head_dim") ?? 128;
        return reader.Finish(
            Llama.Shape(reader, "qwen3", "Qwen3ForCausalLM", headSize, reader.KeyValueHeads(32, nullable: true), epsilon: 1e-6) with
            {
                QueryKeyValueBias = biased,
                OutputBias = biased,
                HeadNorm = HeadNorm.Each,
                Windows = Windows(reader),
            },
            tied: false
        );
    }

    private static int?[] Windows(DecoderReader reader)
    {
        var fields = reader.Fields;
        var (isOn, window) = (
            fields.Flag("use_sliding_window", false),
            fields.Has("sliding_window") ? fields.OptionalPositive("sliding_window") : 4096
        );
        var first = fields.OptionalInt("max_window_layers") ?? 28;
        return reader.Windows(isOn ? window : null, layer => layer >= first);
    }
}
