using System.Text.Json;
using System.Text.Json.Nodes;
using DfPO.Models.Classifiers;
using DfPO.Models.Layers;
using DfPO.Models.Tests.Support;
using DfPO.Models.Tokenizers;
using TorchSharp;
using static DfPO.Models.Tests.Support.TensorAssert;
using static TorchSharp.torch;

namespace DfPO.Models.Tests;

/// <summary>
/// What is written loads elsewhere: transformers' types and spellings, and the files that a folder needs beside its weights.
/// </summary>
[Trait("Category", "Fixtures")]
public sealed class ModelFolderTests : IDisposable
{
    private static readonly JsonObject s_types = HfConfigReader.ReadFile(Path.Combine(Repository.Fixtures, "config_types.json"));
    private readonly TestFolder _folder = new();

    /// <summary>Folders of fixtures whose type the table knows.</summary>
    public static TheoryData<string> Configurations =>
        [
            .. Directory
                .GetDirectories(Repository.Fixtures)
                .SelectMany(folder => new[] { "config.json", "config_v4.json" }.Select(name => Path.Combine(folder, name)))
                .Where(path => File.Exists(path) && s_types.ContainsKey(HfConfigReader.ReadFile(path)["model_type"]?.ToString() ?? ""))
                .Select(path => Path.GetRelativePath(Repository.Fixtures, path))
                .Order(StringComparer.Ordinal),
        ];

    /// <summary>Those with rotary positions.</summary>
    public static TheoryData<string> Rotated =>
        [
            .. Configurations
                .Select(row => row.Data)
                .Where(path =>
                    Written(HfConfigReader.ReadFile(Path.Combine(Repository.Fixtures, path)), path).ContainsKey("rope_parameters")
                ),
        ];

    /// <summary>Model folders that the repository comes with.</summary>
    public static TheoryData<string> Bundled =>
        [
            .. Directory
                .GetFiles(Repository.Path("models"), "config.json", SearchOption.AllDirectories)
                .Select(path => Path.GetRelativePath(Repository.Path("models"), Path.GetDirectoryName(path)!))
                .Order(StringComparer.Ordinal),
        ];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Configurations))]
    public void AWrittenConfigurationHasTheTypesThatAreDemandedHoweverOftenItIsWritten(string path)
    {
        var written = Written(HfConfigReader.ReadFile(Path.Combine(Repository.Fixtures, path)), path);

        RequireTypes(written, path);
        Assert.Equal("bfloat16", written["dtype"]!.ToString());
        Assert.Equal("bfloat16", written["torch_dtype"]!.ToString());
        RequireTypes(Written(Reread(written), path), path);
    }

    [Theory]
    [MemberData(nameof(Rotated))]
    public void EitherSpellingOfAWrittenRotationMeansWhatWasRead(string path)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var source = Path.Combine(Repository.Fixtures, path);
        var written = Written(HfConfigReader.ReadFile(source), path);
        JsonObject four = Reread(written),
            five = Reread(written);
        four.Remove("rope_parameters");
        foreach (
            var field in new[]
            {
                "rope_theta",
                "rope_scaling",
                "partial_rotary_factor",
                "rotary_pct",
                "rotary_emb_base",
                "rope_local_base_freq",
            }
        )
            five.Remove(field);
        var ids = Arithmetic.Range(30).unsqueeze(0);
        Tensor Logits(JsonObject config)
        {
            _folder.Write("config.json", config.ToJsonString());
            File.Copy(Path.Combine(Path.GetDirectoryName(source)!, "model.safetensors"), _folder["model.safetensors"], overwrite: true);
            using var model = PretrainedModels.LoadCausalLM(_folder.Path);
            return model.Logits(ids);
        }

        var expected = Logits(HfConfigReader.ReadFile(source));
        foreach (var config in new[] { written, four, five })
            Same(expected, Logits(config));
    }

    [Theory]
    [MemberData(nameof(Bundled))]
    public void WhatTheRepositoryComesWithIsWhole(string folder)
    {
        var path = Path.Combine(Repository.Path("models"), folder);
        var config = HfConfigReader.ReadFile(Path.Combine(path, "config.json"));

        RequireTypes(config, folder);
        RequireFiles(path, isClassifier: config["id2label"] is not null);
        Assert.Equal(config.ToJsonString(), Written(config, folder).ToJsonString());
        // The ids are those of the vocabulary files alone, which older versions read.
        foreach (var name in new[] { "vocab.json", "merges.txt", "config.json" })
            File.Copy(Path.Combine(path, name), _folder[name]);
        TextTokenizer old = TextTokenizer.Load(_folder.Path),
            now = TextTokenizer.Load(path);
        foreach (var text in new[] { "This film was great, 1999!", "  two  spaces\n\tand more", "naïve café 日本 <|endoftext|>" })
            Assert.Equal(old.Encode(text), now.Encode(text));
        Assert.Equal((old.VocabularySize, old.EosTokenId), (now.VocabularySize, now.EosTokenId));
    }

    [Theory]
    [MemberData(nameof(TinyModels.All), MemberType = typeof(TinyModels))]
    public void AFolderIsCompletedFromItsSourceAndFromItself(string name)
    {
        using var scope = NewDisposeScope();
        using var model = TinyModels.Create(name);
        PretrainedModels.Save(_folder["source"], model, ScalarType.Float32);
        File.WriteAllText(
            _folder["source/tokenizer.json"],
            File.ReadAllText(Path.Combine(Repository.Path("models/imdb-tiny/policy"), "tokenizer.json"))
        );
        File.WriteAllText(
            _folder["source/tokenizer_config.json"],
            """{ "tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|endoftext|>", "chat_template": "{{ messages[0].content }}" }"""
        );
        PretrainedModels.Save(_folder["copy"], model, ScalarType.Float32);

        ModelFolder.Complete(_folder["copy"], _folder["source"]);
        ModelFolder.Complete(_folder["source"], _folder["source"]);

        foreach (var folder in new[] { _folder["copy"], _folder["source"] })
        {
            Assert.Contains(
                "messages",
                HfConfigReader.ReadFile(Path.Combine(folder, "tokenizer_config.json"))["chat_template"]!.ToString()
            );
            Assert.NotEmpty(
                new HfConfigReader(HfConfigReader.ReadFile(Path.Combine(folder, "generation_config.json")), "").Ints("eos_token_id")
            );
            Assert.Contains("library_name: transformers", File.ReadAllText(Path.Combine(folder, "README.md")));
            using var loaded = PretrainedModels.LoadLanguageModel(folder);
            foreach (var ((_, expected), (_, actual)) in model.named_parameters().Zip(loaded.named_parameters()))
                Same(expected, actual);
        }
    }

    [Fact]
    public void DefaultsOfGenerationAndACardThatAreThereAreKept()
    {
        using var model = TinyModels.Create("gpt2");
        PretrainedModels.Save(_folder.Path, model, ScalarType.Float32);
        foreach (var name in new[] { "vocab.json", "merges.txt" })
            File.Copy(Path.Combine(Repository.Path("models/imdb-tiny/policy"), name), _folder[name]);
        _folder.Write("generation_config.json", """{ "eos_token_id": [3, 4], "temperature": 0.5 }""");
        _folder.Write("README.md", "mine");

        ModelFolder.Complete(_folder.Path, _folder.Path);

        Assert.Equal("mine", File.ReadAllText(_folder["README.md"]));
        Assert.Contains("0.5", File.ReadAllText(_folder["generation_config.json"]));
        RequireFiles(_folder.Path, isClassifier: false);
    }

    private static void RequireFiles(string folder, bool isClassifier)
    {
        foreach (
            var name in new[]
            {
                "config.json",
                "model.safetensors",
                "tokenizer.json",
                "tokenizer_config.json",
                "special_tokens_map.json",
                "README.md",
            }.Concat(isClassifier ? [] : ["generation_config.json"])
        )
            Assert.True(File.Exists(Path.Combine(folder, name)), $"{folder} has no {name}");
        Assert.Equal(
            "PreTrainedTokenizerFast",
            HfConfigReader.ReadFile(Path.Combine(folder, "tokenizer_config.json"))["tokenizer_class"]!.ToString()
        );
    }

    private static JsonObject Written(JsonObject json, string path) =>
        json["model_type"]?.ToString() is "bert" or "distilbert" or "roberta"
            ? EncoderConfig.Parse(json, path).ToJson(Architecture(json), "bfloat16")
            : ModelConfig.FromJson(json, path).ToJson(Architecture(json), "bfloat16");

    private static string Architecture(JsonObject json) => json["architectures"]?[0]?.ToString() ?? "Any";

    private static JsonObject Reread(JsonObject json) => JsonNode.Parse(json.ToJsonString())!.AsObject();

    private static void RequireTypes(JsonObject json, string path)
    {
        var types = s_types[json["model_type"]!.ToString()]!.AsObject();
        foreach (var (field, value) in json)
            if (types[field] is { } type)
                Assert.True(
                    type.ToString().Split(" | ").Any(one => Is(value, one)),
                    $"{path}: field '{field}' is {value?.ToJsonString() ?? "null"} but must be {type}"
                );
    }

    private static bool Is(JsonNode? value, string type) =>
        (type, value?.GetValueKind()) switch
        {
            ("None", null) => true,
            (_, null) => false,
            ("int", JsonValueKind.Number) => value!.ToJsonString().All(c => char.IsDigit(c) || c == '-'),
            ("float", JsonValueKind.Number) => value!.ToJsonString().IndexOfAny(['.', 'e', 'E']) >= 0,
            ("bool", JsonValueKind.True or JsonValueKind.False) => true,
            ("str", JsonValueKind.String) => true,
            ("list" or "tuple", JsonValueKind.Array) => true,
            _ when type.StartsWith("list[", StringComparison.Ordinal) || type.StartsWith("tuple", StringComparison.Ordinal) => value
                is JsonArray all
                && all.All(item => type.StartsWith("tuple", StringComparison.Ordinal) || Is(item, type[5..^1])),
            _ when type.StartsWith("dict", StringComparison.Ordinal) || type.EndsWith("RopeParameters", StringComparison.Ordinal) => value
                is JsonObject,
            _ when type.StartsWith("Literal", StringComparison.Ordinal) => type.Contains($"'{value}'", StringComparison.Ordinal),
            _ => false,
        };
}
