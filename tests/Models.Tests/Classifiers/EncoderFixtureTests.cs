using System.Text.Json;
using DfPO.Models.Classifiers;
using DfPO.Models.Tests.Support;
using TorchSharp;
using static DfPO.Models.Tests.Support.TensorAssert;
using static TorchSharp.torch;

namespace DfPO.Models.Tests.Classifiers;

/// <summary>BERT, DistilBERT and RoBERTa classifiers against what HF's transformers computes with the same weights.</summary>
[Trait("Category", "Fixtures")]
public sealed class EncoderFixtureTests : IDisposable
{
    private static readonly string[] s_types = ["bert", "distilbert", "roberta"];
    private readonly DisposeScope _scope = NewDisposeScope();

    public static TheoryData<string> Fixtures { get; } =
    [
        .. Directory
            .GetDirectories(Repository.Fixtures)
            .Where(folder => File.Exists(Path.Combine(folder, "config.json")) && File.Exists(Path.Combine(folder, "expected.json")))
            .Where(folder => s_types.Contains(TestFiles.Json(Path.Combine(folder, "config.json"))["model_type"]?.ToString()))
            .Select(folder => Path.GetFileName(folder)!)
            .Order(StringComparer.Ordinal),
    ];

    public void Dispose() => _scope.Dispose();

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void LogitsAndHiddenStatesUnderPaddingEqualTheOriginal(string fixture)
    {
        using var _ = no_grad();
        var (model, expected) = Load(fixture);
        var forward = expected.GetProperty("forward");
        Tensor ids = forward.Ids("input_ids"),
            mask = forward.Ids("attention_mask");
        var types = Types(forward);

        var hidden = model.Hidden(ids, mask, types);
        var logits = model.MaskedLogits(ids, mask, types);

        Close(forward.Tensor("embeddings_output"), model.Embed(ids, types), 1e-5);
        Close(forward.Tensor("last_hidden_state_token0"), hidden.select(1, 0), 1e-4);
        var row = forward.Tensor("last_hidden_state_row1");
        Close(row, hidden[1].narrow(0, 0, row.size(0)), 1e-4, mask[1].narrow(0, 0, row.size(0)));
        Close(forward.Tensor("logits"), logits, 2e-4);
        Close(forward.Tensor("probs"), model.Probabilities(logits), 1e-4);
        Close(expected.Tensor("logits_without_attention_mask"), model.MaskedLogits(ids, null, types), 2e-4);
        if (expected.TryGetProperty("left_padded", out var left))
            Close(left.Tensor("logits"), model.MaskedLogits(left.Ids("input_ids"), left.Ids("attention_mask")), 2e-4);
    }

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void LengthsSayTheSameAsAMaskAndWhatStandsInThePaddingDoesNotMatter(string fixture)
    {
        using var _ = no_grad();
        var (model, expected) = Load(fixture);
        var forward = expected.GetProperty("forward");
        Tensor ids = forward.Ids("input_ids"),
            mask = forward.Ids("attention_mask"),
            lengths = mask.sum(1);

        var logits = model.Logits(ids, lengths);

        Close(model.MaskedLogits(ids, mask), logits, 1e-6);
        Close(logits, model.Logits(ids.masked_fill(mask.eq(0), model.VocabularySize - 1), lengths), 1e-6);
        for (var row = 0; row < ids.size(0); row++)
        {
            var real = lengths[row].item<long>();
            Close(model.MaskedLogits(ids.narrow(0, row, 1).narrow(1, 0, real), null), logits.narrow(0, row, 1), 5e-5);
        }
    }

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void LossAndGradientsEqualTheOriginal(string fixture)
    {
        var (model, expected) = Load(fixture);
        var batch = expected.GetProperty("ce_loss");

        var loss = Loss(model, expected);
        loss.backward();

        Assert.Equal(batch.GetProperty("loss").GetDouble(), loss.item<float>(), 1e-4);
        var grads = batch.GetProperty("grads");
        var squares = 0.0;
        Assert.Equal(grads.EnumerateObject().Select(g => g.Name).Order(), model.named_parameters().Select(p => p.name).Order());
        // A gradient that is zero in exact arithmetic, as a key's bias is, is rounding noise in both.
        var noise = 1e-5 * batch.GetProperty("total_grad_norm").GetDouble();
        foreach (var (name, parameter) in model.named_parameters())
        {
            var (grad, want) = (parameter.grad!, grads.GetProperty(name));
            var norm = want.GetProperty("l2").GetDouble();
            Assert.Equal(want.GetProperty("shape").EnumerateArray().Select(d => d.GetInt64()), grad.shape);
            Assert.Equal(norm, grad.norm().item<float>(), 2e-4 * norm + noise);
            Assert.Equal(want.GetProperty("max_abs").GetDouble(), grad.abs().max().item<float>(), 2e-4 * norm + noise);
            Assert.Equal(want.GetProperty("sum").GetDouble(), grad.sum().item<float>(), 1e-3 * norm + noise);
            squares += grad.square().sum().item<float>();
        }
        Assert.Equal(batch.GetProperty("total_grad_norm").GetDouble(), Math.Sqrt(squares), 2e-3);
    }

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void OptimiserStepsEqualTheOriginal(string fixture)
    {
        var (model, expected) = Load(fixture);
        var steps = expected.GetProperty("adamw");
        double Option(string name) => steps.GetProperty(name).GetDouble();
        var betas = steps.GetProperty("betas");
        var optimiser = optim.AdamW(
            model.parameters(),
            Option("lr"),
            betas[0].GetDouble(),
            betas[1].GetDouble(),
            Option("eps"),
            Option("weight_decay")
        );

        var (losses, norms) = (new List<double>(), new List<double>());
        for (var step = 0; step < steps.GetProperty("grad_norm_before_clip").GetArrayLength(); step++)
        {
            optimiser.zero_grad();
            var loss = Loss(model, expected);
            losses.Add(loss.item<float>());
            loss.backward();
            norms.Add(nn.utils.clip_grad_norm_(model.parameters(), Option("clip_grad_norm")));
            optimiser.step();
        }
        losses.Add(Loss(model, expected).item<float>());

        Close(steps.Tensor("loss"), tensor(losses.ToArray()), 1e-3);
        Close(steps.Tensor("grad_norm_before_clip"), tensor(norms.ToArray()), 5e-3);
        // The fixture's samples of gradient elements are views that its last step has overwritten: they hold that step's clipped gradients.
        foreach (var (name, parameter) in model.named_parameters())
        {
            var first = expected.GetProperty("ce_loss").GetProperty("grads").GetProperty(name).Tensor("first8");
            Close(first, parameter.grad!.flatten().narrow(0, 0, first.size(0)), 1e-4);
        }
    }

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void SavingGivesTheSameTensorsAndFields(string fixture)
    {
        using var folder = new TestFolder();
        var (model, expected) = Load(fixture);

        PretrainedModels.Save(folder.Path, model, ScalarType.Float32);
        var again = (EncoderClassifier)PretrainedModels.LoadSequenceClassifier(folder.Path);

        var before = TestFiles.Json(Path.Combine(Repository.Fixtures, fixture, "config.json"));
        var after = TestFiles.Json(folder["config.json"]);
        foreach (var (field, value) in before.Where(pair => pair.Key != "torch_dtype"))
            Assert.True(after.ContainsKey(field) && System.Text.Json.Nodes.JsonNode.DeepEquals(value, after[field]), field);
        Assert.Equal(
            File.ReadAllBytes(Path.Combine(Repository.Fixtures, fixture, "model.safetensors")),
            File.ReadAllBytes(folder["model.safetensors"])
        );
        var forward = expected.GetProperty("forward");
        Same(model.MaskedLogits(forward.Ids("input_ids"), null), again.MaskedLogits(forward.Ids("input_ids"), null));
    }

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void Bfloat16ProductsStayCloseToFloat32(string fixture)
    {
        using var _ = no_grad();
        var (model, expected) = Load(fixture);
        var forward = expected.GetProperty("forward");
        Tensor ids = forward.Ids("input_ids"),
            lengths = forward.Ids("attention_mask").sum(1);
        var exact = model.Probabilities(model.Logits(ids, lengths));

        model.Precision.MatmulDtype = ScalarType.BFloat16;
        var rough = model.Probabilities(model.Logits(ids, lengths));

        Close(exact, rough, 0.05);
        Assert.False(exact.equal(rough).all().item<bool>());
    }

    private static (EncoderClassifier Model, JsonElement Expected) Load(string fixture) =>
        (
            (EncoderClassifier)PretrainedModels.LoadSequenceClassifier(Path.Combine(Repository.Fixtures, fixture)),
            JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Repository.Fixtures, fixture, "expected.json"))).RootElement
        );

    private static Tensor? Types(JsonElement forward) =>
        forward.TryGetProperty("token_type_ids", out var types) && types.ValueKind == JsonValueKind.Array
            ? forward.Ids("token_type_ids")
            : null;

    private static Tensor Loss(EncoderClassifier model, JsonElement expected)
    {
        var forward = expected.GetProperty("forward");
        return nn.functional.cross_entropy(
            model.MaskedLogits(forward.Ids("input_ids"), forward.Ids("attention_mask"), Types(forward)),
            expected.GetProperty("ce_loss").Ids("labels")
        );
    }
}
