using System.Text.Json.Nodes;
using DfPO.Models.Checkpoints;
using DfPO.Models.Gpt2;
using TorchSharp;
using static DfPO.Models.Tests.Support.TensorAssert;
using static DfPO.Models.Tests.Support.TestFiles;
using static TorchSharp.torch;

namespace DfPO.Models.Tests.Checkpoints;

public sealed class PretrainedModelsTests : IDisposable
{
    private static readonly string s_saved = Checkpoint("tiny-gpt2-hf-save");
    private readonly TestFolder _folder = new();
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose()
    {
        _scope.Dispose();
        _folder.Dispose();
    }

    [Fact]
    [Trait("Category", "Fixtures")]
    public void AFolderThatTransformersSavedIsSavedAgainByteForByte()
    {
        var model = PretrainedModels.LoadCausalLM(s_saved);

        PretrainedModels.Save(_folder.Path, model, ScalarType.Float32);

        Assert.Equal(
            File.ReadAllBytes(Path.Combine(s_saved, "model.safetensors")),
            File.ReadAllBytes(Path.Combine(_folder.Path, "model.safetensors"))
        );
        Assert.DoesNotContain("lm_head.weight", CheckpointFolder.Open(_folder.Path).Names);
    }

    [Theory]
    [InlineData("tiny-gpt2-hf-save")]
    [InlineData("gpt-nano-sort")]
    [Trait("Category", "Fixtures")]
    public void EveryFieldOfTheConfigurationIsKept(string checkpoint)
    {
        PretrainedModels.Save(_folder.Path, PretrainedModels.LoadCausalLM(Checkpoint(checkpoint)), ScalarType.Float32);

        JsonObject before = Json(Path.Combine(Checkpoint(checkpoint), "config.json")),
            after = Json(Path.Combine(_folder.Path, "config.json"));
        foreach (var (field, value) in before)
            Assert.True(after.ContainsKey(field) && JsonNode.DeepEquals(value, after[field]), field);
        Assert.Equal(checkpoint == "gpt-nano-sort", CheckpointFolder.Open(_folder.Path).Names.Contains("lm_head.weight"));
    }

    [Theory]
    [InlineData(ScalarType.BFloat16, "BF16", "bfloat16")]
    [InlineData(ScalarType.Float16, "F16", "float16")]
    [InlineData(ScalarType.Float32, "F32", "float32")]
    public void WeightsAreSavedInTheDtypeAskedFor(ScalarType dtype, string name, string torchName)
    {
        var model = PretrainedModels.LoadCausalLM(s_saved);

        PretrainedModels.Save(_folder.Path, model, dtype);

        using var saved = CheckpointFolder.Open(_folder.Path);
        Assert.All(saved.Names, tensor => Assert.Equal(name, saved.Entry(tensor).Dtype));
        Assert.Equal(torchName, Json(Path.Combine(_folder.Path, "config.json"))["torch_dtype"]!.ToString());
        var again = PretrainedModels.LoadCausalLM(_folder.Path, dtype: dtype);
        foreach (var ((_, a), (_, b)) in model.named_parameters().Zip(again.named_parameters()))
            Same(a.to(dtype), b);
    }

    [Fact]
    public void AClassifierComesBackWithItsLabels()
    {
        var config = new Gpt2Config
        {
            VocabSize = 11,
            NPositions = 8,
            NEmbd = 8,
            NLayer = 1,
            NHead = 2,
            Labels = ["bad", "good", "so-so"],
            PadTokenId = 3,
        };
        var model = new Gpt2ForSequenceClassification(config);
        model.Initialise(1);

        PretrainedModels.Save(_folder.Path, model, ScalarType.Float32);
        var again = (Gpt2ForSequenceClassification)PretrainedModels.LoadSequenceClassifier(_folder.Path);

        Assert.Equal(config.Labels, again.Labels);
        Assert.Equal(3, again.Config.PadTokenId);
        Assert.Equal("GPT2ForSequenceClassification", Json(Path.Combine(_folder.Path, "config.json"))["architectures"]![0]!.ToString());
        Tensor ids = tensor(new[] { 1L, 2, 3 }).unsqueeze(0),
            length = tensor(new[] { 3L });
        Same(model.Logits(ids, length), again.Logits(ids, length));
    }

    [Fact]
    [Trait("Category", "Fixtures")]
    public void BareHubKeysAndShardsGiveTheSameModel()
    {
        var whole = Path.Combine(Repository.Fixtures, "gpt2");
        Shard(whole);
        var ids = tensor(new[] { 4L, 9, 1, 90 }).unsqueeze(0);

        var expected = PretrainedModels.LoadCausalLM(whole).Logits(ids);

        Same(expected, PretrainedModels.LoadCausalLM(_folder.Path).Logits(ids));
        Same(expected, PretrainedModels.LoadCausalLM(Path.Combine(Repository.Fixtures, "gpt2_hubkeys")).Logits(ids));
    }

    [Theory]
    [InlineData("{\"weight_map\": {\"a\": \"../model.safetensors\"}}", "checkpoint/corrupt", "../model.safetensors")]
    [InlineData("{\"weight_map\": {\"a\": \"\"}}", "checkpoint/corrupt", "plain file name")]
    [InlineData("{\"weight_map\": {\"a\": \"none.safetensors\"}}", "checkpoint/missing-file", "none.safetensors")]
    [InlineData("{\"weight_map\": {\"no.such.tensor\": \"part.safetensors\"}}", "checkpoint/corrupt", "no.such.tensor")]
    [InlineData("{\"weight_map\": {\"a\": 3}}", "checkpoint/corrupt", "weight index")]
    [InlineData("{\"weight_map\": [\"a\"]}", "checkpoint/corrupt", "weight index")]
    [InlineData("{\"weights\": {}}", "checkpoint/corrupt", "weight index")]
    [InlineData("[]", "checkpoint/corrupt", "weight index")]
    [InlineData("{\"weight_map\"", "checkpoint/corrupt", "weight index")]
    public void ABrokenWeightIndexIsRefused(string index, string code, string word)
    {
        CopySaved();
        File.Move(Path.Combine(_folder.Path, "model.safetensors"), Path.Combine(_folder.Path, "part.safetensors"));
        _folder.Write("model.safetensors.index.json", index);

        Assert.Equal(code, CodeOf(() => PretrainedModels.LoadCausalLM(_folder.Path), word, _folder.Path));
    }

    [Fact]
    public void ATensorInTwoShardsIsRefused()
    {
        CopySaved();
        File.Move(Path.Combine(_folder.Path, "model.safetensors"), Path.Combine(_folder.Path, "part.safetensors"));
        File.Copy(Path.Combine(_folder.Path, "part.safetensors"), Path.Combine(_folder.Path, "again.safetensors"));
        _folder.Write(
            "model.safetensors.index.json",
            "{\"weight_map\": {\"transformer.wte.weight\": \"part.safetensors\", \"transformer.wpe.weight\": \"again.safetensors\"}}"
        );

        Assert.Equal("checkpoint/corrupt", CodeOf(() => PretrainedModels.LoadCausalLM(_folder.Path), "two shards"));
    }

    [Fact]
    public void AMissingTensorIsNamed()
    {
        Rewrite(tensors => tensors.Remove("transformer.h.0.mlp.c_fc.bias"));

        Assert.Equal(
            "checkpoint/missing-tensor",
            CodeOf(() => PretrainedModels.LoadCausalLM(_folder.Path), "transformer.h.0.mlp.c_fc.bias", _folder.Path)
        );
    }

    [Fact]
    public void ASurplusTensorIsNamed()
    {
        Rewrite(tensors => tensors["transformer.h.1.ln_1.bias"] = zeros(16));

        Assert.Equal(
            "checkpoint/unknown-tensor",
            CodeOf(() => PretrainedModels.LoadCausalLM(_folder.Path), "transformer.h.1.ln_1.bias", _folder.Path)
        );
    }

    [Fact]
    public void AMisshapenTensorIsNamedWithBothShapes()
    {
        Rewrite(tensors => tensors["transformer.wpe.weight"] = zeros(32, 16));

        Assert.Equal(
            "checkpoint/shape",
            CodeOf(() => PretrainedModels.LoadCausalLM(_folder.Path), "transformer.wpe.weight", "[32, 16]", "[64, 16]")
        );
    }

    [Theory]
    [InlineData("vocab_size", 2_000_000_000)]
    [InlineData("n_positions", 2_000_000_000)]
    [InlineData("n_inner", 2_000_000_000)]
    [InlineData("n_layer", 2_000_000_000)]
    [InlineData("n_embd", 2_000_000_000)]
    public void AConfigurationFarLargerThanItsWeightsIsRefusedBeforeAnythingIsAllocated(string field, int value)
    {
        CopySaved();
        var config = Json(Path.Combine(_folder.Path, "config.json"));
        config[field] = value;
        _folder.Write("config.json", config.ToJsonString());

        Assert.Equal("checkpoint/shape", CodeOf(() => PretrainedModels.LoadCausalLM(_folder.Path), _folder.Path, "do not belong together"));
    }

    [Fact]
    public void AModelIsLeftAsItIsWhenAFileDoesNotFit()
    {
        Rewrite(tensors =>
        {
            tensors["transformer.wte.weight"] = zeros(100, 16);
            tensors["transformer.wpe.weight"] = zeros(32, 16);
        });
        CausalLM model = PretrainedModels.LoadCausalLM(s_saved),
            same = PretrainedModels.LoadCausalLM(s_saved);
        using var weights = CheckpointFolder.Open(_folder.Path);

        Assert.Equal("checkpoint/shape", CodeOf(() => PretrainedModels.LoadWeights(model, weights, _ => false)));

        foreach (var ((_, a), (_, b)) in same.named_parameters().Zip(model.named_parameters()))
            Same(a, b);
    }

    [Fact]
    public void AHeadThatTheFileLacksMayStayFresh()
    {
        var config = PretrainedModels.ReadConfig<Gpt2Config>(s_saved) with { Labels = ["bad", "good"] };
        var classifier = new Gpt2ForSequenceClassification(config);
        classifier.Initialise(1);
        var head = classifier.named_parameters().Single(p => p.name == "score.weight").parameter;
        var before = head.clone();
        using var weights = CheckpointFolder.Open(s_saved);

        Assert.Equal(
            "checkpoint/missing-tensor",
            CodeOf(() => PretrainedModels.LoadWeights(classifier, weights, _ => false), "score.weight")
        );
        PretrainedModels.LoadWeights(classifier, weights, _ => false, fresh: name => name == "score.weight");

        Same(before, head.detach());
        Same(
            weights.Get("transformer.wte.weight"),
            classifier.named_parameters().Single(p => p.name == "transformer.wte.weight").parameter.detach()
        );
    }

    [Fact]
    public void ATiedHeadInTheFileIsNoSurplus()
    {
        Rewrite(tensors => tensors["lm_head.weight"] = tensors["transformer.wte.weight"]);

        Assert.Equal(100, PretrainedModels.LoadCausalLM(_folder.Path).VocabularySize);
    }

    [Theory]
    [InlineData("\"mamba\"", "'mamba'")]
    [InlineData("null", "''")]
    public void AnotherModelTypeIsNamedWithTheKnownOne(string type, string word)
    {
        CopySaved();
        var config = Json(Path.Combine(_folder.Path, "config.json"));
        config["model_type"] = JsonNode.Parse(type);
        _folder.Write("config.json", config.ToJsonString());

        Assert.Equal("model/unknown-type", CodeOf(() => PretrainedModels.LoadCausalLM(_folder.Path), word, "gpt2", "config.json"));
    }

    [Fact]
    public void WhatIsMissingFromAFolderIsNamed()
    {
        Assert.Equal("checkpoint/missing-folder", CodeOf(() => PretrainedModels.LoadCausalLM(Path.Combine(_folder.Path, "none")), "none"));
        Assert.Equal("config/missing", CodeOf(() => PretrainedModels.LoadCausalLM(_folder.Path), "config.json"));
        File.Copy(Path.Combine(s_saved, "config.json"), Path.Combine(_folder.Path, "config.json"));
        Assert.Equal("checkpoint/missing-file", CodeOf(() => PretrainedModels.LoadCausalLM(_folder.Path), "model.safetensors"));
    }

    [Fact]
    public void AModelOutlivesTheScopeItWasLoadedInAndItsFile()
    {
        CopySaved();
        CausalLM model,
            untied;
        ValueModel critic;
        Gpt2ForSequenceClassification classifier;
        using (NewDisposeScope())
        {
            model = PretrainedModels.LoadCausalLM(_folder.Path);
            untied = PretrainedModels.LoadCausalLM(Checkpoint("gpt-nano-sort"));
            critic = new ValueModel(PretrainedModels.LoadCausalLM(_folder.Path));
            classifier = new Gpt2ForSequenceClassification((Gpt2Config)model.Config with { Labels = ["a", "b"] });
            classifier.Initialise(1);
        }
        File.Delete(Path.Combine(_folder.Path, "model.safetensors"));

        var ids = tensor(new[] { 2L }).unsqueeze(0);
        Same(PretrainedModels.LoadCausalLM(s_saved).Logits(ids), model.Logits(ids));
        Assert.Equal([1L, 1, 3], untied.Logits(ids).shape);
        Assert.Equal([1L, 1], critic.Values(ids).shape);
        Assert.Equal([1L, 2], classifier.Logits(ids, tensor(new[] { 1L })).shape);
    }

    [Fact]
    public void LoadingSavingAndDisposingLeaveNoTensorBehind()
    {
        Cycle();
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;

        Cycle();

        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);

        void Cycle()
        {
            using var model = (Gpt2LMHeadModel)PretrainedModels.LoadCausalLM(s_saved);
            PretrainedModels.Save(_folder.Path, model, ScalarType.BFloat16);
            model.Initialise(1);
        }
    }

    private void CopySaved()
    {
        foreach (var name in new[] { "config.json", "model.safetensors" })
            File.Copy(Path.Combine(s_saved, name), Path.Combine(_folder.Path, name), overwrite: true);
    }

    /// <summary>The saved folder with other tensors.</summary>
    private void Rewrite(Action<Dictionary<string, Tensor>> change)
    {
        CopySaved();
        using var weights = CheckpointFolder.Open(s_saved);
        var tensors = weights.Names.ToDictionary(name => name, weights.Get);
        change(tensors);
        SafetensorsWriter.Write(Path.Combine(_folder.Path, "model.safetensors"), tensors);
    }

    /// <summary>The folder's weights in three files under an index.</summary>
    private void Shard(string folder)
    {
        File.Copy(Path.Combine(folder, "config.json"), Path.Combine(_folder.Path, "config.json"));
        using var weights = CheckpointFolder.Open(folder);
        var map = new JsonObject();
        foreach (var (number, names) in weights.Names.Order().Chunk(weights.Names.Count / 3 + 1).Index())
        {
            var shard = $"model-{number + 1:D5}-of-00003.safetensors";
            SafetensorsWriter.Write(Path.Combine(_folder.Path, shard), names.ToDictionary(name => name, weights.Get));
            foreach (var name in names)
                map[name] = shard;
        }
        _folder.Write(
            "model.safetensors.index.json",
            new JsonObject { ["metadata"] = new JsonObject(), ["weight_map"] = map }.ToJsonString()
        );
    }
}
