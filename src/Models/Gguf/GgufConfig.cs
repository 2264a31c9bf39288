using System.Text.Json.Nodes;

namespace DfPO.Models.Gguf;

/// <summary>
/// A model's configuration from a GGUF file's metadata, as the <c>config.json</c> that says the same. A field of the architecture that is
/// not known is refused.
/// </summary>
internal static class GgufConfig
{
    private const string Parallel = "use_parallel_residual";

    // What the architecture's section may hold besides its numbers: checked below, or without effect on what a model computes.
    private static readonly string[] s_checked =
    [
        "vocab_size",
        "rope.dimension_count",
        "attention.key_length",
        "attention.value_length",
        "rope.scaling.type",
        "rope.scaling.factor",
        "rope.freq_base",
        "attention.head_count_kv",
        "expert_count",
        "expert_used_count",
        "rope.scaling.original_context_length",
        "rope.scaling.finetuned",
        "attention.causal",
        "attention.max_alibi_bias",
        "attention.clamp_kqv",
        "logit_scale",
        "attention.scale",
        "residual_scale",
        "embedding_scale",
        "attention.sliding_window",
        "tensor_data_layout",
    ];

    /// <summary>Reads the configuration.</summary>
    /// <exception cref="DfpoException"><c>gguf/field</c> or <c>gguf/unsupported</c>, with file and field.</exception>
    public static JsonObject Read(GgufFile file, GgufFamily family)
    {
        var metadata = file.Metadata;
        string Key(string key) => $"{family.Architecture}.{key}";
        foreach (var key in metadata.Keys.Where(key => key.StartsWith(family.Architecture + ".", StringComparison.Ordinal)))
            if (
                key[(family.Architecture.Length + 1)..] is var rest
                && !s_checked.Contains(rest)
                && family.Fields.All(field => field.Key != rest)
                && family.Flags.All(flag => flag.Key != rest)
                && !(family.IsParallelWithoutNorm && rest == Parallel)
            )
                throw Unsupported(file, key, "is not known here");
        if (metadata.Integer("split.count") is > 1)
            throw Unsupported(file, "split.count", "says that it is one of several files: join them with llama.cpp's gguf-split");
        RequireNeutral(file, Key);

        var json = new JsonObject { ["model_type"] = family.ModelType };
        foreach (var (field, value) in family.Implied)
            json[field] = value?.DeepClone();
        foreach (var field in family.Fields)
            json[field.Field] = Number(metadata, Key(field.Key), field);
        foreach (var (key, field, fallback) in family.Flags)
            json[field] = metadata.Flag(Key(key)) ?? fallback;
        if (metadata.Integer(Key("attention.head_count_kv")) is null && json.ContainsKey("num_key_value_heads"))
            json["num_key_value_heads"] = json["num_attention_heads"]!.DeepClone();
        ReadHeads(file, family, json, Key);
        ReadTensors(file, family, json);
        ReadScaling(file, family, json, Key);
        foreach (var (key, field) in new[] { ("bos", "bos_token_id"), ("padding", "pad_token_id") })
            if (metadata.Integer($"tokenizer.ggml.{key}_token_id") is { } id)
                json[field] = id;
        if (EndOfText(metadata) is { Length: > 0 } ends)
            json["eos_token_id"] = ends.Length == 1 ? ends[0] : new JsonArray([.. ends.Select(id => (JsonNode?)id)]);
        json["torch_dtype"] = "float32";
        // As if it had been read: a number that was set reads back as no other type.
        return (JsonObject)JsonNode.Parse(json.ToJsonString())!;
    }

    /// <summary>Ids that end a text: the end of the text, of a turn, and of a message, as llama.cpp takes them.</summary>
    private static long[] EndOfText(GgufMetadata metadata) =>
        [.. new[] { "eos", "eot", "eom" }.Select(key => metadata.Integer($"tokenizer.ggml.{key}_token_id")).OfType<long>().Distinct()];

    private static JsonNode? Number(GgufMetadata metadata, string key, GgufField field)
    {
        if (field.IsCount)
            return field.Default is null ? metadata.Positive(key) : metadata.OptionalPositive(key);
        return metadata.Number(key) ?? field.Default ?? throw metadata.Wrong(key, "there");
    }

    /// <summary>Settings of other models, which here must be what they are without being set.</summary>
    private static void RequireNeutral(GgufFile file, Func<string, string> key)
    {
        if (file.Metadata.Integer(key("expert_count")) is > 0)
            throw Unsupported(file, key("expert_count"), "speaks of a mixture of experts");
        if (file.Metadata.Flag(key("attention.causal")) is false)
            throw Unsupported(file, key("attention.causal"), "says that attention is not causal");
        foreach (var neutral in new[] { "attention.max_alibi_bias", "attention.clamp_kqv" })
            if (file.Metadata.Number(key(neutral)) is { } value and not 0)
                throw Unsupported(file, key(neutral), $"is {value}");
        foreach (var neutral in new[] { "logit_scale", "attention.scale", "residual_scale", "embedding_scale", "attention.sliding_window" })
            if (file.Metadata.Has(key(neutral)))
                throw Unsupported(file, key(neutral), "is not known for this architecture");
    }

    private static void ReadHeads(GgufFile file, GgufFamily family, JsonObject json, Func<string, string> key)
    {
        var metadata = file.Metadata;
        int width = (int)json[family.ModelType == "gpt2" ? "n_embd" : "hidden_size"]!,
            heads = (int)json[family.ModelType == "gpt2" ? "n_head" : "num_attention_heads"]!;
        var size = metadata.OptionalPositive(key("attention.key_length")) ?? width / heads;
        if ((metadata.OptionalPositive(key("attention.value_length")) ?? size) != size)
            throw Unsupported(file, key("attention.value_length"), "differs from the length of keys");
        if (family.HasHeadSize)
            json["head_dim"] = size;
        else if (size * heads != width)
            throw Unsupported(file, key("attention.key_length"), $"is {size}, but {heads} heads share a width of {width}");
        var rotated = metadata.OptionalPositive(key("rope.dimension_count")) ?? size;
        if (family.RotatedShare is not null)
            json[family.RotatedShare] = (double)rotated / size;
        else if (rotated != size)
            throw Unsupported(file, key("rope.dimension_count"), $"is {rotated}, but a head has {size} dimensions");
    }

    /// <summary>What shows only in which tensors there are.</summary>
    private static void ReadTensors(GgufFile file, GgufFamily family, JsonObject json)
    {
        var embedding = file.Tensors.GetValueOrDefault("token_embd.weight")
            ?? throw new DfpoException("checkpoint/missing-tensor", $"'{file.Path}' holds no tensor 'token_embd.weight'.");
        json["vocab_size"] = embedding.Shape[0];
        json["tie_word_embeddings"] = !file.Tensors.ContainsKey("output.weight");
        if (family.AttentionBias is not null)
            json[family.AttentionBias] = file.Tensors.ContainsKey("blk.0.attn_q.bias");
        if (family.IsParallelWithoutNorm)
            json[Parallel] = !file.Tensors.ContainsKey("blk.0.ffn_norm.weight");
        if (family.PerceptronBias is not null)
            json[family.PerceptronBias] = file.Tensors.ContainsKey("blk.0.ffn_up.bias");
    }

    private static void ReadScaling(GgufFile file, GgufFamily family, JsonObject json, Func<string, string> key)
    {
        var kind = file.Metadata.Text(key("rope.scaling.type")) ?? "none";
        if (family.HasFrequencyFactors && GgufTensors.FrequencyFactors(file) is { } factors)
        {
            if (kind != "none")
                throw Unsupported(file, key("rope.scaling.type"), $"is '{kind}' beside a tensor '{GgufTensors.FactorsName}'");
            var pairs = (int)json["head_dim"]! / 2;
            if (factors.Length != pairs || factors.Any(factor => !(factor > 0 && float.IsFinite(factor))))
                throw new DfpoException(
                    "checkpoint/shape",
                    $"'{file.Path}': tensor '{GgufTensors.FactorsName}' must hold {pairs} numbers above 0, one for each pair of channels."
                );
            JsonArray Factors() => new([.. factors.Select(factor => (JsonNode)(double)factor)]);
            // The same factors for texts of any length: in config.json only this type has a factor for each pair.
            json["rope_scaling"] = new JsonObject
            {
                ["rope_type"] = "longrope",
                ["short_factor"] = Factors(),
                ["long_factor"] = Factors(),
                ["attention_factor"] = 1.0,
                ["original_max_position_embeddings"] = json["max_position_embeddings"]!.DeepClone(),
            };
        }
        else if (kind == "linear")
            json["rope_scaling"] = new JsonObject
            {
                ["rope_type"] = "linear",
                ["factor"] = file.Metadata.Number(key("rope.scaling.factor"))
                    ?? throw file.Metadata.Wrong(key("rope.scaling.factor"), "there"),
            };
        else if (kind != "none")
            throw Unsupported(file, key("rope.scaling.type"), $"is '{kind}': 'none' and 'linear' are read");
    }

    private static DfpoException Unsupported(GgufFile file, string key, string why) =>
        new("gguf/unsupported", $"'{file.Path}': metadata field '{key}' {why}. Take the checkpoint's own folder, with safetensors.");
}
