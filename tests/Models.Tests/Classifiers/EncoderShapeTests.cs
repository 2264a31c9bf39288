using System.Text.Json.Nodes;
using DfPO.Models.Classifiers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Tests.Classifiers;

/// <summary>The published sizes, built on the meta device, where a tensor has a shape and no bytes.</summary>
public sealed class EncoderShapeTests
{
    private const string Bert =
        """{"model_type":"bert","hidden_act":"gelu","hidden_size":768,"intermediate_size":3072,"layer_norm_eps":1e-12,"max_position_embeddings":512,"num_attention_heads":12,"num_hidden_layers":12,"pad_token_id":0,"type_vocab_size":2,"vocab_size":30522}""";
    private const string DistilBert =
        """{"model_type":"distilbert","activation":"gelu","dim":768,"hidden_dim":3072,"max_position_embeddings":512,"n_heads":12,"n_layers":6,"pad_token_id":0,"vocab_size":30522}""";
    private const string RobertaBase =
        """{"model_type":"roberta","hidden_act":"gelu","hidden_size":768,"intermediate_size":3072,"layer_norm_eps":1e-05,"max_position_embeddings":514,"num_attention_heads":12,"num_hidden_layers":12,"pad_token_id":1,"bos_token_id":0,"eos_token_id":2,"type_vocab_size":1,"vocab_size":50265}""";
    private const string RobertaLarge =
        """{"model_type":"roberta","hidden_act":"gelu","hidden_size":1024,"intermediate_size":4096,"layer_norm_eps":1e-05,"max_position_embeddings":514,"num_attention_heads":16,"num_hidden_layers":24,"pad_token_id":1,"bos_token_id":0,"eos_token_id":2,"type_vocab_size":1,"vocab_size":50265}""";

    // Totals with two labels. bert-base-uncased alone has 109,482,240, distilbert-base-uncased 66,362,880; the heads come on top.
    [Theory]
    [InlineData("bert-base", Bert, 109_483_778)]
    [InlineData("distilbert-base", DistilBert, 66_955_010)]
    [InlineData("roberta-base", RobertaBase, 124_647_170)]
    [InlineData("roberta-large", RobertaLarge, 355_361_794)]
    public void NamesShapesAndTotalAreThePublishedOnes(string name, string json, long total)
    {
        using var model = Build(json);
        var config = model.Config;

        var shapes = model.named_parameters().ToDictionary(p => p.name, p => string.Join(',', p.parameter.shape));

        Assert.StartsWith(config.ModelType, name);
        Assert.Equal(Expected(config).OrderBy(p => p.Key), shapes.OrderBy(p => p.Key));
        Assert.Equal(total, model.parameters().Sum(p => p.numel()));
        Assert.Equal(total, config.ParameterCount);
        Assert.Equal(512, model.MaxTokens);
        Assert.Equal(["LABEL_0", "LABEL_1"], model.Labels);
        Assert.All(model.parameters(), p => Assert.Equal(DeviceType.META, p.device_type));
    }

    [Fact]
    public void ParametersAreCountedWhateverTheFieldsSay()
    {
        var config = EncoderConfig.Parse((JsonObject)JsonNode.Parse(RobertaBase)!, "config.json");

        Assert.Equal(long.MaxValue, (config with { HiddenSize = int.MaxValue, NumHiddenLayers = int.MaxValue }).ParameterCount);
    }

    private static EncoderClassifier Build(string json) =>
        EncoderClassifier.Create(EncoderConfig.Parse((JsonObject)JsonNode.Parse(json)!, "config.json"), device(DeviceType.META));

    private static Dictionary<string, string> Expected(EncoderConfig config)
    {
        int width = config.HiddenSize,
            inner = config.IntermediateSize;
        var expected = new Dictionary<string, string>();
        void Linear(string name, int from, int to) => (expected[name + ".weight"], expected[name + ".bias"]) = ($"{to},{from}", $"{to}");
        void Norm(string name) => (expected[name + ".weight"], expected[name + ".bias"]) = ($"{width}", $"{width}");
        var body = config.ModelType;
        expected[$"{body}.embeddings.word_embeddings.weight"] = $"{config.VocabSize},{width}";
        expected[$"{body}.embeddings.position_embeddings.weight"] = $"{config.MaxPositionEmbeddings},{width}";
        Norm($"{body}.embeddings.LayerNorm");
        for (var layer = 0; layer < config.NumHiddenLayers; layer++)
        {
            var distil = $"distilbert.transformer.layer.{layer}.";
            var bert = $"{body}.encoder.layer.{layer}.";
            foreach (
                var linear in body == "distilbert"
                    ? new[] { "q_lin", "k_lin", "v_lin", "out_lin" }.Select(n => distil + "attention." + n)
                    : new[] { "self.query", "self.key", "self.value", "output.dense" }.Select(n => bert + "attention." + n)
            )
                Linear(linear, width, width);
            Linear(body == "distilbert" ? distil + "ffn.lin1" : bert + "intermediate.dense", width, inner);
            Linear(body == "distilbert" ? distil + "ffn.lin2" : bert + "output.dense", inner, width);
            Norm(body == "distilbert" ? distil + "sa_layer_norm" : bert + "attention.output.LayerNorm");
            Norm(body == "distilbert" ? distil + "output_layer_norm" : bert + "output.LayerNorm");
        }
        if (body != "distilbert")
            expected[$"{body}.embeddings.token_type_embeddings.weight"] = $"{config.TypeVocabSize},{width}";
        Linear(
            body switch
            {
                "bert" => "bert.pooler.dense",
                "distilbert" => "pre_classifier",
                _ => "classifier.dense",
            },
            width,
            width
        );
        Linear(body == "roberta" ? "classifier.out_proj" : "classifier", width, config.Labels.Count);
        return expected;
    }
}
