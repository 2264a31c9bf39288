using System.Text.Json.Nodes;
using DfPO.Models.Checkpoints;
using DfPO.Models.Classifiers;
using DfPO.Models.Tests.Support;
using TorchSharp;
using static DfPO.Models.Tests.Support.TensorAssert;
using static TorchSharp.torch;

namespace DfPO.Models.Tests.Classifiers;

public sealed class EncoderCheckpointTests : IDisposable
{
    private readonly TestFolder _folder = new();
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose()
    {
        _scope.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData("bert")]
    [InlineData("distilbert")]
    [InlineData("roberta")]
    public void FreshClassifiersComeBackWithTheirLabels(string type)
    {
        var model = EncoderClassifier.Create(Config(type));
        model.Initialise(3);
        PretrainedModels.Save(_folder.Path, model, ScalarType.BFloat16);

        var again = PretrainedModels.LoadSequenceClassifier(_folder.Path, dtype: ScalarType.BFloat16);

        Assert.Equal(["bad", "good", "so-so"], again.Labels);
        Assert.Equal(again.Labels, PretrainedModels.ReadLabels(_folder.Path));
        Assert.IsType(model.GetType(), again);
        foreach (var ((_, a), (_, b)) in model.named_parameters().Zip(again.named_parameters()))
            Same(a.detach().to(ScalarType.BFloat16), b.detach());
        Assert.False(again.training);
    }

    [Fact]
    public void PositionNumbersAndRobertasPoolerAreNoSurplusButOthersAre()
    {
        var model = EncoderClassifier.Create(Config("roberta"));
        model.Initialise(1);
        PretrainedModels.Save(_folder.Path, model, ScalarType.Float32);
        Add("roberta.embeddings.position_ids", arange(20).unsqueeze(0));
        Add("roberta.pooler.dense.weight", zeros(8, 8));

        Assert.Equal(3, PretrainedModels.LoadSequenceClassifier(_folder.Path).Labels.Count);

        Add("lm_head.bias", zeros(11));
        Assert.Equal("checkpoint/unknown-tensor", CodeOf(() => PretrainedModels.LoadSequenceClassifier(_folder.Path), "lm_head.bias"));

        void Add(string name, Tensor tensor)
        {
            Dictionary<string, Tensor> tensors;
            using (var weights = CheckpointFolder.Open(_folder.Path))
                tensors = weights.Names.ToDictionary(n => n, n => weights.Get(n).clone());
            tensors[name] = tensor;
            SafetensorsWriter.Write(_folder["model.safetensors"], tensors);
        }
    }

    [Fact]
    public void LabelsMayBeJudgedOneByOne()
    {
        var several = EncoderClassifier.Create(Config("bert") with { ProblemType = "multi_label_classification" });
        var single = EncoderClassifier.Create(Config("bert") with { Labels = ["toxic"] });
        var softmax = EncoderClassifier.Create(Config("bert"));
        var logits = tensor(new[] { 0f, 1f, -2f }).unsqueeze(0);

        Close(logits.sigmoid(), several.Probabilities(logits), 1e-7);
        Close(logits.sigmoid(), single.Probabilities(logits), 1e-7);
        Close(logits.softmax(-1), softmax.Probabilities(logits), 1e-7);
    }

    [Fact]
    public void ATextBeyondThePositionsIsRefused()
    {
        // 20 rows, of which RoBERTa cannot use those up to its padding id.
        var model = EncoderClassifier.Create(Config("roberta"));
        model.Initialise(1);

        Assert.Equal(18, model.MaxTokens);
        Assert.Equal([1L, 3], model.Logits(ones([1, 18], ScalarType.Int64) * 5, tensor(new[] { 18L })).shape);
        Assert.Equal("model/too-long", CodeOf(() => model.Logits(ones([1, 19], ScalarType.Int64), tensor(new[] { 19L })), "19", "18"));
    }

    [Theory]
    [InlineData("hidden_size", "7")]
    [InlineData("hidden_size", "\"8\"")]
    [InlineData("num_attention_heads", "3")]
    [InlineData("num_hidden_layers", "0")]
    [InlineData("vocab_size", "null")]
    [InlineData("pad_token_id", "11")]
    [InlineData("pad_token_id", "-1")]
    [InlineData("hidden_act", "\"swiglu\"")]
    [InlineData("position_embedding_type", "\"relative_key\"")]
    [InlineData("id2label", "{}")]
    [InlineData("is_decoder", "true")]
    public void AFieldOutOfRangeIsRefused(string field, string value)
    {
        var model = EncoderClassifier.Create(Config("bert"));
        model.Initialise(1);
        PretrainedModels.Save(_folder.Path, model, ScalarType.Float32);
        var json = TestFiles.Json(_folder["config.json"]);
        json[field] = JsonNode.Parse(value);
        _folder.Write("config.json", json.ToJsonString());

        Assert.Equal("config/field", CodeOf(() => PretrainedModels.LoadSequenceClassifier(_folder.Path)));
    }

    [Theory]
    [InlineData("bert", "use_relative_bias", "true", false)]
    [InlineData("roberta", "add_cross_attention", "true", false)]
    [InlineData("distilbert", "chunk_size_feed_forward", "4", false)]
    [InlineData("bert", "directionality", "\"bidi\"", true)]
    [InlineData("roberta", "add_cross_attention", "false", true)]
    [InlineData("distilbert", "sinusoidal_pos_embds", "true", true)]
    public void AFieldThatIsNotKnownToBeHarmlessIsRefusedByName(string type, string field, string value, bool harmless)
    {
        var model = EncoderClassifier.Create(Config(type));
        model.Initialise(1);
        PretrainedModels.Save(_folder.Path, model, ScalarType.Float32);
        var json = TestFiles.Json(_folder["config.json"]);
        json[field] = JsonNode.Parse(value);
        _folder.Write("config.json", json.ToJsonString());

        if (harmless)
            PretrainedModels.LoadSequenceClassifier(_folder.Path).Dispose();
        else
            Assert.Equal("config/unknown-field", CodeOf(() => PretrainedModels.LoadSequenceClassifier(_folder.Path), field));
    }

    [Fact]
    public void AConfigurationFarLargerThanItsWeightsIsRefusedBeforeAnythingIsAllocated()
    {
        var model = EncoderClassifier.Create(Config("distilbert"));
        model.Initialise(1);
        PretrainedModels.Save(_folder.Path, model, ScalarType.Float32);
        var json = TestFiles.Json(_folder["config.json"]);
        json["vocab_size"] = 2_000_000_000;
        _folder.Write("config.json", json.ToJsonString());

        Assert.Equal("checkpoint/shape", CodeOf(() => PretrainedModels.LoadSequenceClassifier(_folder.Path), "do not belong together"));
    }

    [Fact]
    public void LoadingScoringAndDisposingLeaveNoTensorBehind()
    {
        var model = EncoderClassifier.Create(Config("bert"));
        model.Initialise(1);
        PretrainedModels.Save(_folder.Path, model, ScalarType.Float32);
        Cycle();
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;

        Cycle();

        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);

        void Cycle()
        {
            using var loaded = PretrainedModels.LoadSequenceClassifier(_folder.Path);
            using var ids = ones([2, 4], ScalarType.Int64);
            using var lengths = tensor(new[] { 4L, 2 });
            loaded.Logits(ids, lengths).Dispose();
        }
    }

    private static EncoderConfig Config(string type) =>
        new()
        {
            ModelType = type,
            VocabSize = 11,
            HiddenSize = 8,
            NumHiddenLayers = 2,
            NumAttentionHeads = 2,
            IntermediateSize = 16,
            MaxPositionEmbeddings = 20,
            TypeVocabSize = type == "distilbert" ? 0 : 2,
            PadTokenId = type == "roberta" ? 1 : 0,
            Labels = ["bad", "good", "so-so"],
        };
}
