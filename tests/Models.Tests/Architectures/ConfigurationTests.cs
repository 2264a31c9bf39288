using System.Text.Json;
using System.Text.Json.Nodes;
using DfPO.Models.Decoders;
using DfPO.Models.Tests.Support;

namespace DfPO.Models.Tests.Architectures;

/// <summary>What a <c>config.json</c> may say, and what is written.</summary>
[Trait("Category", "Fixtures")]
public sealed class ConfigurationTests
{
    private static readonly JsonObject s_types = HfConfigReader.ReadFile(Repository.Path("tests/fixtures/config_types.json"));

    public static TheoryData<string> Spellings => [.. FixtureModels.Cases("left_padded").Where(name => name.Contains('('))];

    public static TheoryData<string> All => TinyModels.All;

    [Fact]
    public void AnUnknownModelTypeIsRefusedInOneLineThatNamesTheKnownOnes()
    {
        var error = Assert.Throws<DfpoException>(() =>
            ModelConfig.FromJson(new JsonObject { ["model_type"] = "mamba" }, "/models/m/config.json")
        );

        Assert.Equal("model/unknown-type", error.Code);
        Assert.Contains("/models/m/config.json", error.Message);
        Assert.Contains("'mamba'", error.Message);
        Assert.Contains("'qwen3'", error.Message);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Theory]
    [MemberData(nameof(All))]
    public void AFieldThatNobodyKnowsIsRefusedByNameUnlessItSaysNothing(string name)
    {
        ModelConfig Read(string field, string value)
        {
            var json = TinyModels.Configs[name].ToJson("X", "float32");
            json[field] = JsonNode.Parse(value);
            return ModelConfig.FromJson(json, "config.json");
        }

        Assert.Equal("config/unknown-field", CodeOf(() => Read("mixture_of_depths", "2"), "config.json", "'mixture_of_depths'", "2"));
        Assert.Equal("config/unknown-field", CodeOf(() => Read("quantization_config", "{\"bits\": 4}"), "'quantization_config'"));
        Assert.Equal("config/unknown-field", CodeOf(() => Read("add_cross_attention", "true"), "'add_cross_attention'"));
        Assert.Equal("config/unknown-field", CodeOf(() => Read("num_local_experts", "8"), "'num_local_experts'"));
        Assert.NotNull(Read("mixture_of_depths", "null"));
        Assert.NotNull(Read("add_cross_attention", "false"));
        Assert.NotNull(Read("temperature", "0.7"));
        Assert.NotNull(Read("attention_dropout", "0.1"));
    }

    [Theory]
    [InlineData("llama", "rope_scaling", """{"type": "ntk", "factor": 2}""", "rope_scaling")]
    [InlineData("llama", "rope_scaling", """{"type": "linear"}""", "factor")]
    [InlineData("llama", "rope_scaling", """{"type": "linear", "factor": 2, "twist": 3}""", "rope_scaling.twist")]
    [InlineData(
        "llama",
        "rope_scaling",
        """{"type": "llama3", "factor": 2, "low_freq_factor": 4, "high_freq_factor": 4}""",
        "high_freq_factor"
    )]
    [InlineData("llama", "rope_scaling", """{"type": "llama3", "factor": 2, "high_freq_factor": 4}""", "low_freq_factor")]
    [InlineData("llama", "rope_parameters", """{"rope_type": "default", "partial_rotary_factor": 0.5}""", "partial_rotary_factor")]
    [InlineData("phi3", "head_dim", "12", "head_dim")]
    [InlineData("gptj", "rotary_dim", "null", "rotary_dim")]
    [InlineData("llama", "rope_interleaved", "true", "rope_interleaved")]
    [InlineData("llama", "hidden_act", "\"xielu\"", "xielu")]
    [InlineData("llama", "pad_token_id", "31", "pad_token_id")]
    [InlineData("llama", "hidden_act", "\"swoosh\"", "swoosh")]
    [InlineData("mistral", "num_key_value_heads", "null", "num_key_value_heads")]
    [InlineData("qwen3", "layer_types", """["full_attention", "sliding_attention"]""", "sliding_window")]
    [InlineData("qwen2", "layer_types", """["full_attention"]""", "layer_types")]
    [InlineData("gemma2", "use_bidirectional_attention", "true", "use_bidirectional_attention")]
    [InlineData("gemma3", "layer_types", """["full_attention", "chunked_attention"]""", "layer_types")]
    [InlineData("phi3 longrope", "rope_scaling", """{"type": "longrope", "short_factor": [1], "long_factor": [1, 2, 3]}""", "short_factor")]
    [InlineData("phi3", "partial_rotary_factor", "1.5", "channels")]
    [InlineData("gpt_neo", "attention_types", """[[["global"], 3]]""", "attention_types")]
    [InlineData("gpt_neo", "attention_types", """[["global", 3]]""", "attention_types")]
    [InlineData("opt", "layer_norm_elementwise_affine", "false", "layer_norm_elementwise_affine")]
    [InlineData("stablelm", "hidden_size", "25", "num_attention_heads")]
    public void AFieldThatCannotBeIsNamed(string name, string field, string value, string word)
    {
        var json = DecoderConfigs.Json(name, TinyModels.Vocabulary, positions: 24);
        json[field] = JsonNode.Parse(value);

        var code = CodeOf(() => ModelConfig.FromJson(json, "config.json"), word);

        Assert.StartsWith("config/", code);
    }

    [Theory]
    [MemberData(nameof(Spellings))]
    public void BothSpellingsSayTheSame(string fixture)
    {
        DecoderConfig Read(string name)
        {
            using var model = FixtureModels.Load(name);
            var config = (DecoderConfig)model.Config;
            return config;
        }
        var (other, one) = (Read(fixture), Read(fixture.Split(' ')[0]));

        Assert.Equal(one.Windows, other.Windows);
        Assert.Equal(
            JsonSerializer.Serialize(one.Rope?.Scaling, one.Rope?.Scaling.GetType() ?? typeof(object)),
            JsonSerializer.Serialize(other.Rope?.Scaling, other.Rope?.Scaling.GetType() ?? typeof(object))
        );
        DecoderConfig Plain(DecoderConfig config) =>
            config with
            {
                Raw = one.Raw,
                Windows = one.Windows,
                Labels = one.Labels,
                Rope = config.Rope! with { Scaling = Layers.RopeScaling.None },
            };
        Assert.Equal(
            one.Rope is null ? one with { Raw = other.Raw, Windows = other.Windows, Labels = other.Labels } : Plain(one),
            one.Rope is null ? other : Plain(other)
        );
    }

    [Theory]
    [MemberData(nameof(All))]
    public void WhatIsWrittenHasTheTypesThatTransformers5DemandsAndBothSpellingsSayTheSame(string name)
    {
        var config = TinyModels.Configs[name];
        var json = (JsonObject)JsonNode.Parse(config.ToJson("X", "float32").ToJsonString())!;

        var types = (JsonObject)s_types[config.ModelType]!;
        foreach (var (field, type) in types)
        {
            if (!json.TryGetPropertyValue(field, out var value) || value is null)
                continue;
            var kind = type!.ToString();
            if (kind.StartsWith("float", StringComparison.Ordinal) && !kind.Contains("int", StringComparison.Ordinal))
                Assert.True(
                    value.ToJsonString().AsSpan().IndexOfAny('.', 'e', 'E') >= 0,
                    $"{field} is {value.ToJsonString()} but must be a {kind}"
                );
            else if (kind is "int" or "int | None")
                Assert.True(
                    value.GetValueKind() == JsonValueKind.Number && value.ToJsonString().All(char.IsDigit),
                    $"{field} is {value.ToJsonString()} but must be an {kind}"
                );
            else if (kind is "bool" or "bool | None")
                Assert.True(
                    value.GetValueKind() is JsonValueKind.True or JsonValueKind.False,
                    $"{field} is {value.ToJsonString()} but must be a {kind}"
                );
        }
        foreach (
            var spelling in new[]
            {
                new[] { "rope_scaling", "rope_theta", "partial_rotary_factor", "rotary_pct", "rotary_emb_base", "rope_local_base_freq" },
                ["rope_parameters"],
            }
        )
        {
            if (config is not DecoderConfig { Rope: not null } decoder || config.ModelType == "gptj")
                continue;
            var half = (JsonObject)json.DeepClone();
            foreach (var field in spelling)
                half.Remove(field);
            var read = (DecoderConfig)ModelConfig.FromJson(half, "config.json");
            static float[] Of(Layers.RopeSpec rope, int length) => rope.Scaling.Frequencies(rope.Dimensions, rope.Theta, length);
            float[] Frequencies(DecoderConfig of, int length) => [.. Of(of.Rope!, length), .. Of((of.WindowRope ?? of.Rope)!, length)];
            Assert.Equal(Frequencies(decoder, 5), Frequencies(read, 5));
            Assert.Equal(Frequencies(decoder, 20), Frequencies(read, 20));
            Assert.Equal(decoder.Rope.Scaling.AttentionFactor, read.Rope!.Scaling.AttentionFactor);
        }
    }
}
