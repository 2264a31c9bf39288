using System.Text.Json.Nodes;
using DfPO.Models.Gguf;
using DfPO.Models.Tokenizers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Tests.Gguf;

/// <summary>What is written as GGUF, read by ourselves and by llama.cpp.</summary>
public sealed class GgufExportTests : IDisposable
{
    private static readonly string[] s_texts = ["Once upon a time there was a little girl.", " two  blanks\nand a line", "naïve 123 don't"];
    private readonly TestFolder _folder = new();
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly IDisposable _noGrad = no_grad();

    public void Dispose()
    {
        _noGrad.Dispose();
        _scope.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData("stories260K", "float32", 1e-4)]
    [InlineData("stories260K", "float16", 2e-3)]
    [InlineData("stories260K", "bfloat16", 2e-2)]
    [InlineData("stories260K", "q8_0", 3e-2)]
    // llama.cpp looks its GELU up in a table of float16.
    [InlineData("imdb-tiny", "float32", 1e-3)]
    [InlineData("imdb-tiny", "q8_0", 3e-2)]
    public void LlamaCppHasOurLogitsAndIds(string checkpoint, string type, double tolerance)
    {
        var (source, path) = (Checkpoint(checkpoint), _folder["model.gguf"]);
        GgufExport.Write(source, path, GgufExport.ParseType(type));
        using var model = PretrainedModels.LoadCausalLM(path);
        var tokenizer = TextTokenizer.Load(source);
        int[] tokens = [.. tokenizer.EncodeInput("Once upon a time there was").Take(model.MaxPositions)];

        var (logits, ids) = LlamaCpp.Run(path, tokens, s_texts);

        for (var i = 0; i < s_texts.Length; i++)
            Assert.True(
                tokenizer.EncodeInput(s_texts[i]).SequenceEqual(ids[i]),
                $"{checkpoint}: the ids of '{s_texts[i]}' are {string.Join(",", ids[i])} in llama.cpp, {string.Join(",", tokenizer.EncodeInput(s_texts[i]))} here"
            );
        var ours = model.Logits(tensor(tokens.Select(token => (long)token).ToArray()).unsqueeze(0))[0];
        var theirs = stack([.. logits.Select(row => tensor(row))]);
        var difference = (ours - theirs).abs().max().item<float>() / ours.abs().max().item<float>();
        Assert.True(difference <= tolerance, $"{checkpoint} as {type}: logits differ by {difference:G3} of the largest");
    }

    /// <summary>The fixtures' models of families that GGUF files are written of, with the rotation that the writer knows.</summary>
    public static TheoryData<string> Families() =>
        [
            .. Directory
                .GetDirectories(Repository.Fixtures)
                .Where(folder => File.Exists(Path.Combine(folder, "model.safetensors")) && IsWritten(Path.Combine(folder, "config.json")))
                .Select(folder => Path.GetFileName(folder)!)
                .Order(StringComparer.Ordinal),
        ];

    [Theory]
    [MemberData(nameof(Families))]
    [Trait("Category", "Fixtures")]
    public void LlamaCppHasTheLogitsOfEveryFamily(string fixture)
    {
        var source = Path.Combine(Repository.Fixtures, fixture);
        foreach (var name in new[] { "config.json", "model.safetensors" })
            File.Copy(Path.Combine(source, name), _folder[name]);
        var rows = PretrainedModels.ReadConfig(source).VocabSize;
        WriteTokenizer(rows);
        GgufExport.Write(_folder.Path, _folder["model.gguf"], GgmlType.F32);
        using var model = PretrainedModels.LoadCausalLM(source);
        int[] tokens = [.. Enumerable.Range(0, 12).Select(i => (i * 7 + 3) % rows)];

        var (logits, _) = LlamaCpp.Run(_folder["model.gguf"], tokens);

        var ours = model.Logits(tensor(tokens.Select(token => (long)token).ToArray()).unsqueeze(0))[0];
        var theirs = stack([.. logits.Select(row => tensor(row))]);
        var difference = (ours - theirs).abs().max().item<float>() / ours.abs().max().item<float>();
        Assert.True(difference <= 1e-3, $"{fixture}: logits differ by {difference:G3} of the largest");
    }

    [Fact]
    public void WhatIsReadWithFrequencyFactorsCanBeWrittenAgain()
    {
        Directory.CreateDirectory(_folder["one"]);
        var json = DecoderConfigs.Json("llama with biases", 97, 64);
        json["rms_norm_eps"] = 1e-6;
        using (var model = (CausalLM)LanguageModel.Create(ModelConfig.FromJson(json, "config.json")))
        {
            model.Initialise(3);
            PretrainedModels.Save(_folder.Path, model, ScalarType.Float32);
        }
        WriteTokenizer(97);

        GgufExport.Write(_folder.Path, _folder["one/model.gguf"], GgmlType.F32);
        GgufExport.Write(_folder["one/model.gguf"], _folder["two.gguf"], GgmlType.F32);

        using var original = PretrainedModels.LoadCausalLM(_folder.Path);
        using var again = PretrainedModels.LoadCausalLM(_folder["two.gguf"]);
        var ids = arange(0, 40, ScalarType.Int64).unsqueeze(0);
        var difference = (original.Logits(ids) - again.Logits(ids)).abs().max().item<float>();
        Assert.True(difference < 1e-4, $"logits differ by {difference}");
        using var file = GgufTensors.Open(_folder["two.gguf"]);
        Assert.DoesNotContain(file.Names, name => name.Contains("rope_freqs", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("gemma2")]
    [InlineData("gemma3")]
    [InlineData("phi3")]
    [InlineData("gptj")]
    [InlineData("llama dynamic")]
    [InlineData("stablelm parallel")]
    public void AModelThatLlamaCppWouldReadOtherwiseIsRefused(string name)
    {
        var json = DecoderConfigs.Json(name, 97, 64);
        using (var model = LanguageModel.Create(ModelConfig.FromJson(json, "config.json")))
        {
            model.Initialise(3);
            PretrainedModels.Save(_folder.Path, model, ScalarType.Float32);
        }
        WriteTokenizer(97);

        Assert.Equal("gguf/unsupported", DfpoAssert.CodeOf(() => GgufExport.Write(_folder.Path, _folder["m.gguf"], GgmlType.F32), "GGUF"));
        Assert.False(File.Exists(_folder["m.gguf"]));
    }

    private static bool IsWritten(string path)
    {
        var config = HfConfigReader.ReadFile(path);
        var rope = (config["rope_parameters"] ?? config["rope_scaling"]) as JsonObject;
        return (string?)config["model_type"]
                is "llama"
                    or "qwen2"
                    or "qwen3"
                    or "olmo2"
                    or "starcoder2"
                    or "gpt_neox"
                    or "stablelm"
                    or "gpt2"
            && (
                (string?)(rope?["rope_type"] ?? rope?["type"]) is null or "default" or "linear"
                || ((string?)config["model_type"] == "llama" && (string?)rope!["rope_type"] == "llama3")
            )
            && (bool?)config["qk_layernorm"] != true
            && config["architectures"]?[0]?.ToString().EndsWith("ForSequenceClassification", StringComparison.Ordinal) != true
            // What these fixtures set apart from their families, and GGUF has no words for.
            && (string?)config["hidden_act"] is null or "silu" or "gelu" or "gelu_pytorch_tanh"
            && (bool?)config["use_sliding_window"] != true
            && config["sliding_window"] is null;
    }

    /// <summary>Characters from '!' on, and the last token for the end of a text.</summary>
    private void WriteTokenizer(int rows)
    {
        var vocabulary = new JsonObject(
            Enumerable.Range(0, rows - 1).Select(i => KeyValuePair.Create(i < 94 ? ((char)('!' + i)).ToString() : $"<{i}>", (JsonNode?)i))
        );
        var end = new JsonObject
        {
            ["id"] = rows - 1,
            ["content"] = "<end>",
            ["single_word"] = false,
            ["lstrip"] = false,
            ["rstrip"] = false,
            ["normalized"] = false,
            ["special"] = true,
        };
        var bytes = new JsonObject
        {
            ["type"] = "ByteLevel",
            ["add_prefix_space"] = false,
            ["trim_offsets"] = true,
            ["use_regex"] = true,
        };
        _folder.Write(
            "tokenizer.json",
            new JsonObject
            {
                ["added_tokens"] = new JsonArray(end),
                ["normalizer"] = null,
                ["pre_tokenizer"] = bytes,
                ["post_processor"] = null,
                ["decoder"] = bytes.DeepClone(),
                ["model"] = new JsonObject
                {
                    ["type"] = "BPE",
                    ["vocab"] = vocabulary,
                    ["merges"] = new JsonArray(),
                },
            }.ToJsonString()
        );
        _folder.Write("tokenizer_config.json", """{"eos_token": "<end>", "tokenizer_class": "PreTrainedTokenizerFast"}""");
    }

    /// <summary>The bundled GPT-2, or a Llama whose tokenizer stands in another folder.</summary>
    private string Checkpoint(string name)
    {
        if (name == "imdb-tiny")
            return Repository.Path("models/imdb-tiny/policy");
        foreach (
            var file in Directory
                .GetFiles(Repository.Path($"tests/checkpoints/{name}"))
                .Concat(Directory.GetFiles(Repository.Path($"tests/tokenizers/{name}")))
        )
            File.Copy(file, _folder[Path.GetFileName(file)], overwrite: true);
        return _folder.Path;
    }

    [Fact]
    public void WhatGgufHasNoWordsForIsRefused()
    {
        Assert.Equal(
            "gguf/unsupported",
            DfpoAssert.CodeOf(
                () => GgufExport.Write(Repository.Path("models/commongen-tiny/policy"), _folder["t5.gguf"], GgmlType.F32),
                "'t5'"
            )
        );
        Assert.Equal("gguf/type", DfpoAssert.CodeOf(() => GgufExport.ParseType("q4_9"), "q8_0"));
    }
}
