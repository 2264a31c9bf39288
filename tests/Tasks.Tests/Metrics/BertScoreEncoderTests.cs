using DfPO.Models;
using DfPO.Models.Checkpoints;
using DfPO.Models.Tokenizers;
using DfPO.Tasks.Metrics;
using DfPO.Tasks.Prompts;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Tasks.Tests.Metrics;

public sealed class BertScoreEncoderTests : IDisposable
{
    private static readonly string[] s_texts =
    [
        "A dog runs after the ball.",
        "  Dogs run. ",
        "",
        "Ünï cödé",
        "A text that is a good deal longer than the encoder has places for, so that its end is not read at all.",
    ];

    private readonly TestFolder _folder = new();

    public BertScoreEncoderTests() => set_num_threads(1);

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("bert", 1)]
    [InlineData("distilbert", 2)]
    [InlineData("roberta", 1)]
    public void StatesInABatchAreThoseOfEachTextAlone(string type, int layer)
    {
        EncoderFolders.Save(_folder, type);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var model = PretrainedModels.LoadEncoder(_folder.Path);
        var tokenizer = TextTokenizer.Load(_folder.Path);
        int[] around = tokenizer.EncodeInput("");
        using var encoder = BertScoreEncoder.Load(_folder.Path, layer);

        var states = encoder.States(s_texts);

        foreach (var text in s_texts)
        {
            var stripped = text.Trim();
            int[] words = tokenizer.Encode(type == "roberta" && stripped.Length > 0 ? " " + stripped : stripped);
            long[] ids = [around[0], .. words.Take(EncoderFolders.MaxTokens - 2).Select(id => (long)id), around[1]];
            var expected = model.Hidden(tensor(ids).unsqueeze(0), null, layer: layer).data<float>().ToArray();
            Assert.Equal(expected.Length, states[text].Values.Length);
            Assert.All(expected.Zip(states[text].Values), pair => Assert.Equal(pair.First, pair.Second, 1e-5f));
            Assert.Equal(ids.Length - 2, states[text].IsSpecial.Count(special => !special));
            Assert.True(states[text].IsSpecial[0] && states[text].IsSpecial[^1]);
        }
    }

    [Fact]
    public void TheLastLayerIsWhatTheWholeEncoderGivesAndTheFirstIsNot()
    {
        EncoderFolders.Save(_folder, "bert");
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var model = PretrainedModels.LoadEncoder(_folder.Path);
        var ids = tensor(new long[] { 5, 6, 7 }).unsqueeze(0);

        Assert.Equal(0, (model.Hidden(ids, null) - model.Hidden(ids, null, layer: 2)).abs().max().item<float>());
        Assert.True((model.Hidden(ids, null) - model.Hidden(ids, null, layer: 1)).abs().max().item<float>() > 1e-3);
    }

    [Fact]
    public void AnEncoderIsReadWhateverStandsOnIt()
    {
        EncoderFolders.Save(_folder, "roberta");
        IReadOnlyList<(double, double, double)> Scores()
        {
            using var encoder = BertScoreEncoder.Load(_folder.Path, 2);
            return encoder.Score([(s_texts[0], [s_texts[1], s_texts[3]])]);
        }
        var classifier = Scores();
        // As a masked language model, then as a bare body.
        Rewrite(tensors => tensors.Where(pair => pair.Key.StartsWith("roberta.")).Append(new("lm_head.bias", zeros(3))));
        Assert.Equal(classifier, Scores());
        Rewrite(tensors =>
            tensors
                .Where(pair => pair.Key.StartsWith("roberta."))
                .Select(pair => KeyValuePair.Create(pair.Key["roberta.".Length..], pair.Value))
        );
        Assert.Equal(classifier, Scores());
        Rewrite(tensors => tensors.Where(pair => !pair.Key.Contains("layer.1.output.dense.weight")));
        Assert.Equal("checkpoint/missing-tensor", CodeOf(() => Scores(), "layer.1.output.dense.weight"));
    }

    [Fact]
    public void ALayerIsNamedWhereNoneIsUsual()
    {
        EncoderFolders.Save(_folder, "bert");

        Assert.Equal("metrics/layer", CodeOf(() => BertScoreEncoder.Load(_folder.Path, 0), "bert of 2 layers", "1 to 2"));
        Assert.Equal("metrics/layer", CodeOf(() => BertScoreEncoder.Load(_folder.Path, 3), "no layer 3"));
        Assert.Equal(
            "model/kind",
            CodeOf(() => BertScoreEncoder.Load(Repository.Path("models/imdb-tiny/policy"), 1), "an encoder is needed")
        );
    }

    [Fact]
    public void TheMetricTakesTheBestReferenceOfEachText()
    {
        EncoderFolders.Save(_folder, "bert");
        PromptContinuation[] texts =
        [
            new("p1", s_texts[0]) { References = [s_texts[1], s_texts[0]] },
            new("p2", s_texts[3]) { References = [s_texts[4]] },
        ];
        using var encoder = BertScoreEncoder.Load(_folder.Path, 1);
        var states = encoder.States(s_texts);

        var metrics = TextMetrics
            .Of(
                texts,
                new TextMetricOptions
                {
                    Metrics = ["bert-score"],
                    BertScoreModel = _folder.Path,
                    BertScoreLayer = 1,
                }
            )
            .ToDictionary(metric => metric.Name);

        var (precision, recall, f) = BertScore.Of(states[s_texts[3]], states[s_texts[4]]);
        Assert.Equal(1, metrics["bert-score-f1"].Items![0], 1e-5);
        foreach (var (name, value) in new[] { ("precision", precision), ("recall", recall), ("f1", f) })
            Assert.Equal(value, metrics[$"bert-score-{name}"].Items![1], 1e-5);
        Assert.Equal(metrics["bert-score-f1"].Items!.Average(), metrics["bert-score-f1"].Corpus, 12);
        Assert.Equal(
            "metrics/needs",
            CodeOf(() => TextMetrics.Of(texts, new TextMetricOptions { Metrics = ["bert-score"] }), "bert-score-model")
        );
    }

    private void Rewrite(Func<Dictionary<string, Tensor>, IEnumerable<KeyValuePair<string, Tensor>>> change)
    {
        using var scope = NewDisposeScope();
        Dictionary<string, Tensor> tensors;
        using (var weights = CheckpointFolder.Open(_folder.Path))
            tensors = weights.Names.ToDictionary(name => name, name => weights.Get(name).clone());
        SafetensorsWriter.Write(_folder["model.safetensors"], change(tensors).ToDictionary());
    }
}
