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
