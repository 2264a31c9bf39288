using System.Text.Json.Nodes;

namespace DfPO.Models.Decoders.Families;

/// <summary>GPT-Neo: learnt positions, scores that are not scaled, and a window in the layers that are called local.</summary>
/// <remarks>HF's <c>GPTNeoForCausalLM</c>.</remarks>
internal static class GptNeo
{
    private static readonly DecoderNames s_names = new()
    {
        Body = "transformer",
        Embedding = "wte",
        Positions = "wpe",
        Blocks = "h",
        FinalNorm = "ln_f",
        AttentionNorm = "ln_1",
        MlpNorm = "ln_2",
        Query = "attn.attention.q_proj",
        Key = "attn.attention.k_proj",
        Value = "attn.attention.v_proj",
        Output = "attn.attention.out_proj",
        Gate = null,
        Expansion = "mlp.c_fc",
        Contraction = "mlp.c_proj",
    };

    public static DecoderConfig Parse(JsonObject json, string path)
    {
        var reader = new DecoderReader(json, path);
        var fields = reader.Fields;
        int layers = fields.Positive("num_layers"),
            heads = fields.Positive("num_heads"),
            window = fields.OptionalPositive("window_size") ?? 256;
        var headSize =
            reader.Width % heads == 0 ? reader.Width / heads : throw fields.Wrong("num_heads", $"a divisor of the width {reader.Width}");
        var kinds = Kinds(json["attention_types"])
            ?? throw fields.Wrong("attention_types", "a list of lists such as [[[\"global\", \"local\"], 12]]");
        fields.Has("attention_types");
        if (kinds.Length != layers || kinds.Any(kind => kind is not ("global" or "local")))
            throw fields.Wrong("attention_types", $"{layers} times 'global' or 'local' when written out");
        return reader.Finish(
            new DecoderConfig
            {
                Family = "gpt_neo",
                Architecture = "GPTNeoForCausalLM",
                Names = s_names,
                VocabSize = fields.Positive("vocab_size"),
                Width = reader.Width,
                EmbeddingWidth = reader.Width,
                Layers = layers,
                Heads = heads,
                KeyValueHeads = heads,
                HeadSize = headSize,
                InnerWidth = fields.OptionalPositive("intermediate_size") ?? 4 * reader.Width,
                Positions = reader.Positions,
                LearnedPositions = reader.Positions,
                Norm = NormKind.Layer,
                NormEpsilon = fields.Number("layer_norm_epsilon", 1e-5),
                OutputBias = true,
                MlpBias = true,
                Activation = fields.Text("activation_function", "gelu_new"),
                Scale = 1,
                Windows = [.. kinds.Select(kind => kind == "local" ? window : (int?)null)],
            },
            tied: true,
            bos: 50256,
            eos: 50256,
            padded: false,
            harmless:
            [
                "attention_layers",
                "summary_type",
                "summary_use_proj",
                "summary_activation",
                "summary_proj_to_labels",
                "summary_first_dropout",
            ]
        );
    }

    /// <summary>The layers' kinds written out; null for what is no such list. The class's default is 12 times global and local.</summary>
    private static string[]? Kinds(JsonNode? types)
    {
        if (types is null)
            return [.. Enumerable.Repeat(new[] { "global", "local" }, 12).SelectMany(pair => pair)];
        if (types is not JsonArray list)
            return null;
        var kinds = new List<string>();
        foreach (var item in list)
        {
            if (
                item is not JsonArray { Count: 2 } pair
                || pair[0] is not JsonArray names
                || pair[1] is not JsonValue count
                || !count.TryGetValue<int>(out var times)
                || times is < 0 or > 10_000
            )
                return null;
            for (var i = 0; i < times; i++)
                kinds.AddRange(names.Select(name => name?.ToString() ?? ""));
        }
        return [.. kinds];
    }
}
