using System.Text.Json.Nodes;
using DfPO.Models.Gpt2;

namespace DfPO.Models.Tests;

public sealed class HfConfigReaderTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("")]
    [InlineData("{\"a\": ")]
    [InlineData("[1]")]
    [InlineData("null")]
    [InlineData("{\"n_embd\": 1, \"n_embd\": 2}")]
    public void AFileThatIsNoObjectIsRefused(string text)
    {
        var path = _folder.Write("config.json", text);

        Assert.Equal("config/corrupt", CodeOf(() => HfConfigReader.ReadFile(path), path));
    }

    [Fact]
    public void AFileThatIsNotThereIsNamed() =>
        Assert.Equal("config/missing", CodeOf(() => HfConfigReader.ReadFile(Path.Combine(_folder.Path, "config.json")), _folder.Path));

    [Theory]
    [InlineData("n_embd", "null", "absent")]
    [InlineData("n_embd", "0", "'0'")]
    [InlineData("n_embd", "-8", "'-8'")]
    [InlineData("n_embd", "8.5", "'8.5'")]
    [InlineData("n_embd", "\"8\"", "'8'")]
    [InlineData("n_embd", "4294967296", "whole number")]
    [InlineData("n_embd", "[8]", "whole number")]
    [InlineData("n_head", "3", "n_embd 8")]
    [InlineData("n_inner", "0", "'0'")]
    [InlineData("vocab_size", "true", "whole number")]
    [InlineData("layer_norm_epsilon", "\"1e-5\"", "number")]
    [InlineData("scale_attn_weights", "1", "true or false")]
    [InlineData("activation_function", "7", "string")]
    [InlineData("bos_token_id", "[1]", "whole number")]
    [InlineData("eos_token_id", "[\"a\"]", "whole number")]
    [InlineData("id2label", "[\"a\"]", "object")]
    [InlineData("id2label", "{\"1\": \"a\", \"2\": \"b\"}", "keys 0 to 1")]
    [InlineData("id2label", "{\"0\": null}", "keys 0 to 0")]
    public void AWrongFieldIsNamedWithFileAndWhatItMustBe(string field, string value, string word)
    {
        var json = Valid();
        if (value == "null")
            json.Remove(field);
        else
            json[field] = JsonNode.Parse(value);

        Assert.Equal("config/field", CodeOf(() => Gpt2Config.Parse(json, "some/config.json"), "some/config.json", field, word));
    }

    [Fact]
    public void WhatIsAbsentHasThePublishedDefault()
    {
        var config = Gpt2Config.Parse(Valid(), "config.json");

        Assert.Equal(
            ("gelu_new", 1e-5, 0.02, true, false, true),
            (
                config.ActivationFunction,
                config.LayerNormEpsilon,
                config.InitializerRange,
                config.ScaleAttnWeights,
                config.ScaleAttnByInverseLayerIdx,
                config.TieWordEmbeddings
            )
        );
        Assert.Null(config.NInner);
        Assert.Null(config.EosTokenId);
        Assert.Empty(config.Labels);
    }

    [Fact]
    public void FieldsThatNobodyReadsAreWrittenBack()
    {
        var json = Valid();
        json["summary_type"] = "cls_index";
        json["task_specific_params"] = new JsonObject { ["nested"] = 1 };

        var written = (Gpt2Config.Parse(json, "config.json") with { NInner = 12 }).ToJson("GPT2LMHeadModel", "float32");

        Assert.Equal("cls_index", written["summary_type"]!.ToString());
        Assert.Equal(1, (int)written["task_specific_params"]!["nested"]!);
        Assert.Equal(12, (int)written["n_inner"]!);
        Assert.False(json.ContainsKey("n_inner"));
    }

    private static JsonObject Valid() =>
        new()
        {
            ["vocab_size"] = 16,
            ["n_positions"] = 8,
            ["n_embd"] = 8,
            ["n_layer"] = 1,
            ["n_head"] = 2,
        };
}
