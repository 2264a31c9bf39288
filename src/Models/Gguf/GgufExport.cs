using System.Globalization;
using System.Text.Json.Nodes;
using DfPO.Models.Chat;
using DfPO.Models.Decoders;
using DfPO.Models.Layers;
using DfPO.Models.Tokenizers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Gguf;

/// <summary>
/// Writes a language model with its tokenizer and chat template as one GGUF file, and makes sure that the file says the same.
/// </summary>
/// <remarks>Order and names of tensors are those that llama.cpp's conversion writes, so that its programs read the file.</remarks>
public static class GgufExport
{
    private const int ProbeTokens = 48;
    private const double LargestDifference = 1e-4;

    private static readonly string[] s_probes =
    [
        "The quick brown fox, isn't it? 12345 times",
        "  two  blanks\n\n\tand a tab ",
        "naïve café ½ ² 日本語 😀\u200d",
        "don't DON'T we'll x=1;y=22;z=333",
        "",
        " ",
        "a",
        "\r\n{\"json\": [1, 2.5e-3]}",
    ];

    /// <summary>Types that weights can be written as.</summary>
    public static IReadOnlyList<string> TypeNames { get; } = ["float32", "float16", "bfloat16", "q8_0"];

    /// <summary>The type of a name of <see cref="TypeNames"/>.</summary>
    /// <exception cref="DfpoException"><c>gguf/type</c>.</exception>
    public static GgmlType ParseType(string name) =>
        name.ToLowerInvariant() switch
        {
            "float32" => GgmlType.F32,
            "float16" => GgmlType.F16,
            "bfloat16" => GgmlType.BF16,
            "q8_0" => GgmlType.Q8_0,
            _ => throw new DfpoException(
                "gguf/type",
                $"'{name}' is no type of weights that is written as GGUF: take one of {string.Join(", ", TypeNames)}."
            ),
        };

    /// <summary>Loads a checkpoint and writes it; then the file is read back and compared: logits, token ids, chat template.</summary>
    /// <param name="checkpoint">Any checkpoint of a language model with its tokenizer; of an adapter's folder its base with the adapter in
    /// it.</param>
    /// <param name="path">The file; replaced if it is there.</param>
    /// <param name="type">Type of the matrices; vectors stay float32, and rows that are no whole blocks of <see cref="GgmlType.Q8_0"/>
    /// become float16.</param>
    /// <exception cref="DfpoException"><c>gguf/unsupported</c>: GGUF has no words for this model or tokenizer; <c>gguf/differs</c>: what
    /// was read back is not what was written.</exception>
    public static void Write(string checkpoint, string path, GgmlType type)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var model = PretrainedModels.LoadLanguageModel(checkpoint);
        var tokenizer = TextTokenizer.Load(checkpoint);
        var template = ChatTemplateFiles.Find(checkpoint);
        Write(path, model, tokenizer, template, type);
        Compare(path, model, tokenizer, template);
    }

    private static void Write(string path, LanguageModel model, TextTokenizer tokenizer, ChatTemplate? template, GgmlType type)
    {
        var family = GgufFamilies.OfModel(model.Config.ModelType);
        var config = model.Config.ToJson(model.Architecture, "float32");
        var metadata = new Dictionary<string, object>
        {
            ["general.architecture"] = family.Architecture,
            ["general.type"] = "model",
            ["general.file_type"] = type switch
            {
                GgmlType.F32 => 0u,
                GgmlType.F16 => 1u,
                GgmlType.BF16 => 32u,
                _ => 7u,
            },
            ["general.quantization_version"] = 2u,
        };
        WriteConfig(metadata, family, config, model.Config);
        GgufTokenizerWriter.Write(metadata, tokenizer, model.Config, config);
        if (template is not null)
            WriteTemplates(metadata, template);
        var tensors = new List<(string, GgmlType, Tensor)>();
        foreach (var (name, parameter) in model.named_parameters())
        {
            var file = family.FileName(name)
                ?? throw Unsupported(model.Config, $"it has the tensor '{name}', which '{family.Architecture}' has no name for");
            var values = Ordered(parameter, name, file, family, config);
            var held =
                values.shape.Length == 1 || file == "position_embd.weight" ? GgmlType.F32
                : type == GgmlType.Q8_0 && values.shape[^1] % GgmlType.Q8_0.Block().Elements != 0 ? GgmlType.F16
                : type;
            tensors.Add((file, held, values));
            // From here on the model is what the file can hold.
            parameter.copy_(Rounded(parameter, held, isTransposed: parameter.shape.Length == 2 && family.IsTransposed(file)));
        }
        if (FrequencyFactors(family, model.Config) is { } factors)
            tensors.Add((GgufTensors.FactorsName, GgmlType.F32, tensor(factors)));
        GgufWriter.Write(path, metadata, tensors);
    }

    /// <summary>
    /// What each pair's frequency is divided by, at any length; null where none is, or where that is not all that the scaling does.
    /// </summary>
    private static float[]? FrequencyFactors(GgufFamily family, ModelConfig model)
    {
        if (
            !family.HasFrequencyFactors
            || model is not DecoderConfig { Rope: { } rope }
            || rope.Scaling is not (Llama3Scaling or LongRopeScaling { Attention: 1 })
        )
            return null;
        if (rope.Scaling is LongRopeScaling scaling && !scaling.Short.SequenceEqual(scaling.Long))
            return null;
        return
        [
            .. RotaryEmbedding
                .Frequencies(rope.Dimensions, rope.Theta)
                .Zip(rope.Scaling.Frequencies(rope.Dimensions, rope.Theta, 0), (plain, divided) => plain / divided),
        ];
    }

    private static void WriteConfig(Dictionary<string, object> metadata, GgufFamily family, JsonObject config, ModelConfig model)
    {
        string Key(string key) => $"{family.Architecture}.{key}";
        foreach (var (field, value) in family.Implied)
            if (
                config[field] is { } given
                && !JsonNode.DeepEquals(given, value)
                && !(value is JsonValue flag && flag.TryGetValue<bool>(out var on) && !on && given is JsonValue)
            )
                throw Unsupported(
                    model,
                    $"its {field} is {given.ToJsonString()}, where '{family.Architecture}' means {value?.ToJsonString() ?? "null"}"
                );
        foreach (var field in family.Fields)
        {
            var value = Number(config, field.Field)
                ?? (
                    field.Field == "n_inner" ? 4 * Number(config, "n_embd")
                    : field.Field == "num_key_value_heads" ? model.NumAttentionHeads
                    : field.Default
                )
                ?? throw Unsupported(model, $"its {field.Field} is not known");
            metadata[Key(field.Key)] = field.IsCount ? (object)(uint)value : (float)value;
        }
        foreach (var (key, field, fallback) in family.Flags)
            metadata[Key(key)] = (bool?)config[field] ?? fallback;
        if (family.IsParallelWithoutNorm)
            metadata[Key("use_parallel_residual")] = (bool?)config["use_parallel_residual"] ?? false;
        metadata[Key("vocab_size")] = (uint)model.VocabSize;
        var size = (int?)config["head_dim"] ?? model.HiddenSize / model.NumAttentionHeads;
        if (family.HasHeadSize)
            metadata[Key("attention.key_length")] = metadata[Key("attention.value_length")] = (uint)size;
        if (family.ModelType != "gpt2")
            metadata[Key("rope.dimension_count")] = (uint)(
                size
                * (family.RotatedShare is null ? 1 : Number(config, family.RotatedShare) ?? Rope(config, "partial_rotary_factor") ?? 0.25)
            );
        if (
            (config["rope_parameters"] ?? config["rope_scaling"]) is JsonObject rope
            && (string?)(rope["rope_type"] ?? rope["type"]) is { } kind and not "default"
        )
        {
            if (kind == "linear")
            {
                metadata[Key("rope.scaling.type")] = kind;
                metadata[Key("rope.scaling.factor")] = (float)(double)rope["factor"]!;
            }
            else if (FrequencyFactors(family, model) is null)
                throw Unsupported(model, $"its rotary positions are scaled by '{kind}'");
        }
    }

    private static void WriteTemplates(Dictionary<string, object> metadata, ChatTemplate template)
    {
        foreach (var (name, text) in template.Templates)
            metadata[name == "default" ? GgufVocabulary.TemplateKey : $"{GgufVocabulary.TemplateKey}.{name}"] = text;
        if (template.Templates.Keys.Where(name => name != "default").ToArray() is { Length: > 0 } names)
            metadata["tokenizer.chat_templates"] = names;
    }

    /// <summary>A parameter in the file's order of rows and columns.</summary>
    private static Tensor Ordered(Tensor parameter, string name, string file, GgufFamily family, JsonObject config)
    {
        var heads = GgufTensors.Heads(name, family, config);
        if (heads > 0)
            return family.SeparatesFused ? RowOrder.FromHeads(parameter, heads) : RowOrder.ToPairs(parameter, heads);
        return parameter.shape.Length == 2 && family.IsTransposed(file) ? parameter.t().contiguous() : parameter.alias();
    }

    /// <summary>A parameter after its way through the file's type.</summary>
    private static Tensor Rounded(Tensor parameter, GgmlType type, bool isTransposed)
    {
        if (type != GgmlType.Q8_0)
            return parameter.to(
                type switch
                {
                    GgmlType.F16 => ScalarType.Float16,
                    GgmlType.BF16 => ScalarType.BFloat16,
                    _ => ScalarType.Float32,
                }
            );
        // The order of rows does not matter to blocks, which lie within rows; that of a transposed matrix does.
        var source = isTransposed ? parameter.t().contiguous() : parameter;
        var values = new float[source.numel()];
        GgmlBlocks.Decode(type, GgufWriter.Encode(type, source), values);
        var rounded = tensor(values).reshape(source.shape);
        return isTransposed ? rounded.t() : rounded;
    }

    private static void Compare(string path, LanguageModel model, TextTokenizer tokenizer, ChatTemplate? template)
    {
        using var read = PretrainedModels.LoadLanguageModel(path);
        var length = Math.Min(ProbeTokens, model.MaxPositions);
        var ids = tensor(
                Enumerable.Range(0, length).Select(i => (long)(CounterRandom.UInt64(7, (ulong)i) % (ulong)model.VocabularySize)).ToArray()
            )
            .unsqueeze(0);
        model.eval();
        Tensor expected = ((CausalLM)model).Logits(ids),
            logits = ((CausalLM)read).Logits(ids);
        var difference = (logits - expected).abs().max().ToNumber() / Math.Max(1e-6, expected.abs().max().ToNumber());
        if (!(difference <= LargestDifference))
            throw Differs(path, string.Create(CultureInfo.InvariantCulture, $"its logits differ by {difference:G3} of the largest"));
        var copy = TextTokenizer.Load(path);
        foreach (var text in s_probes.Concat(tokenizer.AddedTokens.Values.Take(20).Select(token => $"a {token.Content} b{token.Content}c")))
            if (!copy.EncodeInput(text).SequenceEqual(tokenizer.EncodeInput(text)))
                throw Differs(
                    path,
                    $"the text {JsonValue.Create(text).ToJsonString()} has other token ids: llama.cpp has no way of cutting texts that is this tokenizer's"
                );
        var templates = ChatTemplateFiles.Find(path)?.Templates ?? new Dictionary<string, string>();
        if (
            !templates
                .OrderBy(pair => pair.Key)
                .SequenceEqual((template?.Templates ?? new Dictionary<string, string>()).OrderBy(pair => pair.Key))
        )
            throw Differs(path, "its chat template is another");
    }

    private static double? Number(JsonObject config, string field) =>
        config[field] is JsonValue value
            ? value.GetValueKind() == System.Text.Json.JsonValueKind.Number
                ? double.Parse(value.ToJsonString(), CultureInfo.InvariantCulture)
                : null
            : Rope(config, field);

    /// <summary>A number that newer files keep among those of the rotary positions.</summary>
    private static double? Rope(JsonObject config, string field) =>
        config["rope_parameters"] is JsonObject rope
            ? (double?)(
                rope[
                    field == "rotary_emb_base" ? "rope_theta"
                    : field == "rotary_pct" ? "partial_rotary_factor"
                    : field
                ] as JsonValue
            )
            : null;

    private static DfpoException Unsupported(ModelConfig config, string why) =>
        new(
            "gguf/unsupported",
            $"This model of type '{config.ModelType}' cannot be written as GGUF: {why}. Export it in the default format."
        );

    private static DfpoException Differs(string path, string why) =>
        new("gguf/differs", $"'{path}' was written and read back, and {why}: it is not kept. Export in the default format.");
}
