using DfPO.Models.Classifiers;
using DfPO.Models.Tests.Support;
using TorchSharp;
using static DfPO.Models.Tests.Support.TensorAssert;
using static TorchSharp.torch;

namespace DfPO.Models.Tests.Classifiers;

/// <summary>Classifiers on the body of every decoder-only model.</summary>
public sealed class DecoderClassifierTests : IDisposable
{
    private readonly TestFolder _folder = new();
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly IDisposable _noGrad = no_grad();

    public static TheoryData<string> Causal => TinyModels.Causal;

    public void Dispose()
    {
        _noGrad.Dispose();
        _scope.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [MemberData(nameof(Causal))]
    public void TheHeadReadsTheLastRealTokenOfTheLanguageModelsBody(string name)
    {
        using var body = (CausalLM)TinyModels.Create(name);
        using var model = Create(body, "bad", "good", "so-so");
        int[][] texts =
        [
            [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
            [13, 14, 15],
            [16],
        ];

        var logits = Logits(model, texts);

        var score = model.state_dict()["score.weight"];
        for (var row = 0; row < texts.Length; row++)
        {
            var hidden = body.Hidden(tensor(Array.ConvertAll(texts[row], id => (long)id)).unsqueeze(0))[0, -1];
            Close(score.matmul(hidden), logits[row], 5e-5);
        }
    }

    [Theory]
    [MemberData(nameof(Causal))]
    public void AFolderNamesTheClassAndComesBackBitForBit(string name)
    {
        using var body = TinyModels.Create(name);
        using var model = Create(body, "bad", "good");
        using var saved = new TestFolder();

        PretrainedModels.Save(saved.Path, model, ScalarType.Float32);
        using var again = PretrainedModels.LoadSequenceClassifier(saved.Path);

        var json = HfConfigReader.ReadFile(saved["config.json"]);
        Assert.EndsWith("ForSequenceClassification", json["architectures"]![0]!.ToString());
        Assert.Equal(["bad", "good"], again.Labels);
        Same(
            Logits(
                model,
                [
                    [1, 2, 3],
                ]
            ),
            Logits(
                again,
                [
                    [1, 2, 3],
                ]
            )
        );
        // HF leaves the default names of two classes out.
        json.Remove("id2label");
        saved.Write("config.json", json.ToJsonString());
        Assert.Equal(["LABEL_0", "LABEL_1"], PretrainedModels.ReadLabels(saved.Path));
        Assert.Equal(["LABEL_0", "LABEL_1"], PretrainedModels.LoadSequenceClassifier(saved.Path).Labels);
    }

    [Fact]
    public void OneLabelIsJudgedByItselfAndGradientsReachBodyAndHead()
    {
        using var body = TinyModels.Create("qwen2");
        using var model = Create(body, "reward");
        using var _ = enable_grad();

        Logits(
                model,
                [
                    [1, 2, 3],
                    [4],
                ]
            )
            .sum()
            .backward();

        Assert.True(model.IsMultiLabel);
        Assert.All(model.named_parameters(), p => Assert.True(p.parameter.grad is not null, p.name));
    }

    [Theory]
    [InlineData("bert")]
    [InlineData("llama")]
    public void ABodyLosesTheHeadThatStandsOnItAndWhatItWasFor(string type)
    {
        if (type == "bert")
            foreach (var file in Directory.EnumerateFiles(Path.Combine(Repository.Fixtures, "bert")))
                File.Copy(file, Path.Combine(_folder.Path, Path.GetFileName(file)));
        else
            using (var body = TinyModels.Create(type))
                PretrainedModels.Save(_folder.Path, body, ScalarType.Float32);
        using (var first = PretrainedModels.CreateSequenceClassifier(_folder.Path, ["a", "b", "c"], seed: 1))
            PretrainedModels.Save(_folder.Path, first, ScalarType.Float32);
        var path = Path.Combine(_folder.Path, "config.json");
        var json = HfConfigReader.ReadFile(path);
        json["problem_type"] = "multi_label_classification";
        File.WriteAllText(path, json.ToJsonString());

        using var fewer = PretrainedModels.CreateSequenceClassifier(_folder.Path, ["x", "y"], seed: 2);
        using var same = PretrainedModels.CreateSequenceClassifier(_folder.Path, ["c", "b", "a"], seed: 2);
        using var loaded = PretrainedModels.LoadSequenceClassifier(_folder.Path);

        Assert.True(loaded.IsMultiLabel);
        Assert.False(fewer.IsMultiLabel);
        var head = type == "bert" ? "classifier.weight" : "score.weight";
        // A head of as many labels may have had them in another order.
        Assert.False(same.state_dict()[head].allclose(loaded.state_dict()[head]));
        var kept = loaded.state_dict().Where(pair => !pair.Key.StartsWith("classifier.", StringComparison.Ordinal) && pair.Key != head);
        Assert.All(kept, pair => Assert.True(pair.Value.allclose(fewer.state_dict()[pair.Key], 0, 0), pair.Key));
    }

    [Fact]
    public void ALanguageModelWithoutLabelsIsNoClassifier()
    {
        using (var body = TinyModels.Create("llama"))
            PretrainedModels.Save(_folder.Path, body, ScalarType.Float32);

        Assert.Equal("config/field", CodeOf(() => PretrainedModels.LoadSequenceClassifier(_folder.Path), "id2label"));
    }

    private SequenceClassifier Create(LanguageModel body, params string[] labels)
    {
        PretrainedModels.Save(_folder.Path, body, ScalarType.Float32);
        return PretrainedModels.CreateSequenceClassifier(_folder.Path, labels, seed: 3);
    }

    private static Tensor Logits(SequenceClassifier model, int[][] texts)
    {
        var width = texts.Max(text => text.Length);
        var ids = texts.SelectMany(text => text.Select(id => (long)id).Concat(Enumerable.Repeat(0L, width - text.Length))).ToArray();
        return model.Logits(tensor(ids, [texts.Length, width]), tensor(texts.Select(text => (long)text.Length).ToArray()));
    }
}
