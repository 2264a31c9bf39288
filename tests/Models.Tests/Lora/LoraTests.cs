using System.Text.Json.Nodes;
using DfPO.Models.Checkpoints;
using DfPO.Models.Lora;
using DfPO.Models.Tests.Support;
using TorchSharp;
using static DfPO.Models.Tests.Support.TensorAssert;
using static TorchSharp.torch;

namespace DfPO.Models.Tests.Lora;

/// <summary>Adapters beside every architecture.</summary>
public sealed class LoraTests : IDisposable
{
    private readonly TestFolder _folder = new();
    private readonly DisposeScope _scope = NewDisposeScope();

    public static TheoryData<string> All => TinyModels.All;

    public void Dispose()
    {
        _scope.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [MemberData(nameof(All))]
    public void AFreshAdapterChangesNoBitAndOneWithAProductChangesTheLogits(string name)
    {
        using var _ = no_grad();
        using var model = TinyModels.Create(name);
        var plain = Logits(model);
        using var adapters = LoraAdapters.Create(model, new LoraOptions { Rank = 3, Alpha = 5 }, seed: 7);

        Assert.True((Logits(model) == plain).all().item<bool>());
        Excite(adapters);
        Assert.True((Logits(model) - plain).abs().max().item<float>() > 1e-3);
        adapters.DetachFrom(model);
        Same(plain, Logits(model));
    }

    [Theory]
    [MemberData(nameof(All))]
    public void MergedEqualsUnmergedAndUnmergingRestoresTheBase(string name)
    {
        using var model = TinyModels.Create(name);
        using var other = TinyModels.Create(name);
        using var adapters = LoraAdapters.Create(model, Everywhere(model), seed: 7);
        Excite(adapters);

        adapters.AddTo(other);
        Close(Logits(model), Logits(other), 1e-4);
        adapters.SubtractFrom(other);
        foreach (var ((_, expected), (_, actual)) in model.named_parameters().Zip(other.named_parameters()))
            Close(expected, actual, 1e-6);
    }

    [Theory]
    [MemberData(nameof(All))]
    public void OnlyAdaptersGetGradientsAndTheyAreThoseOfTheMergedWeights(string name)
    {
        using var model = TinyModels.Create(name);
        using var merged = TinyModels.Create(name);
        using var adapters = LoraAdapters.Create(model, Everywhere(model), seed: 7);
        Excite(adapters);
        adapters.AddTo(merged);

        Logits(model).logsumexp(2).sum().backward();
        Logits(merged).logsumexp(2).sum().backward();

        Assert.All(model.named_parameters(), p => Assert.Null(p.parameter.grad));
        Assert.NotEmpty(model.TrainedParameters());
        Assert.Null(adapters.get_parameter(LoraAdapters.AlphaName)!.grad);
        var own = model.TrainedParameters().ToDictionary(p => p.name, p => p.parameter);
        Assert.Equal(2 * adapters.Paths.Count, own.Count);
        var scale = adapters.Alpha / adapters.Rank;
        foreach (var path in adapters.Paths)
        {
            // d/dA = scale B^T dW, d/dB = scale dW A^T, with dW as [out, in].
            var (a, b) = (own[$"{path}.lora_A.weight"], own[$"{path}.lora_B.weight"]);
            var weight = merged.get_parameter($"{path}.weight")!.grad!;
            var slope = name.StartsWith("gpt2", StringComparison.Ordinal) && path != "lm_head" ? weight.t() : weight;
            Close(b.detach().t().matmul(slope) * scale, a.grad!, 2e-3 * Math.Max(1, a.grad!.abs().max().item<float>()));
            Close(slope.matmul(a.detach().t()) * scale, b.grad!, 2e-3 * Math.Max(1, b.grad!.abs().max().item<float>()));
        }
    }

    [Theory]
    [MemberData(nameof(All))]
    public void DecodingStepByStepEqualsTheWholePassWithAnAdapter(string name)
    {
        using var _ = no_grad();
        using var model = TinyModels.Create(name);
        using var adapters = LoraAdapters.Create(model, Everywhere(model), seed: 7);
        using (model.CreateDecoder())
            Excite(adapters);

        using var decoder = model.CreateDecoder();
        using var session = decoder.Open(
            [
                [3, 4, 5],
            ],
            3
        );
        var steps = new List<Tensor> { session.Prefill(), session.Step([6]), session.Step([7]) };

        int[] whole = [.. model.DecoderPrompt([3, 4, 5]), 6, 7];
        var expected = model.Head(
            model.Hidden(
                model.Input(
                    tensor(Array.ConvertAll(whole, id => (long)id), [1, whole.Length]),
                    [
                        [3, 4, 5],
                    ]
                )
            )
        );
        Close(expected[0].narrow(0, whole.Length - 3, 3), cat(steps, 0), 1e-4);
    }

    [Theory]
    [MemberData(nameof(All))]
    public void ATwinSharesEveryWeightAndAnAdapterOfOneLeavesTheOtherAlone(string name)
    {
        using var model = TinyModels.Create(name);
        var plain = Logits(model);
        using var twin = SharedWeights.Twin(model);
        using var adapters = LoraAdapters.Create(twin, new LoraOptions { Rank = 2 }, seed: 7);
        Excite(adapters);

        Assert.Equal(model.named_parameters().Select(p => p.name), twin.named_parameters().Select(p => p.name));
        Same(plain, Logits(model));
        Assert.True((Logits(twin) - plain).abs().max().item<float>() > 1e-3);
        using (no_grad())
            model.parameters().First().zero_();
        Assert.Equal(0, twin.parameters().First().abs().max().item<float>());
    }

    [Theory]
    [MemberData(nameof(All))]
    public void AFolderInPeftsLayoutComesBackBitForBitAndLoadsMerged(string name)
    {
        using var model = TinyModels.Create(name);
        PretrainedModels.Save(_folder["base"], model, ScalarType.Float32);
        using var adapters = LoraAdapters.Create(model, new LoraOptions { Rank = 3, Alpha = 5 }, seed: 7);
        Excite(adapters);

        AdapterFolder.Save(_folder["adapter"], adapters, model, _folder["base"]);

        using var file = CheckpointFolder.OpenFile(Path.Combine(_folder["adapter"], "adapter_model.safetensors"));
        Assert.Equal(
            adapters
                .Paths.SelectMany(path => new[] { $"base_model.model.{path}.lora_A.weight", $"base_model.model.{path}.lora_B.weight" })
                .Order(StringComparer.Ordinal),
            file.Names.Order(StringComparer.Ordinal)
        );
        var json = JsonNode.Parse(File.ReadAllText(Path.Combine(_folder["adapter"], "adapter_config.json")))!;
        Assert.Equal("LORA", json["peft_type"]!.ToString());
        Assert.Equal(3, (int)json["r"]!);
        Assert.Equal(5, (double)json["lora_alpha"]!);
        Assert.Equal(name.StartsWith("gpt2", StringComparison.Ordinal), (bool)json["fan_in_fan_out"]!);
        using var folder = AdapterFolder.Load(_folder["adapter"]);
        var again = folder.Factors;
        Assert.Equal(adapters.named_parameters().Select(p => p.name), again.named_parameters().Select(p => p.name));
        foreach (var ((_, expected), (_, actual)) in adapters.named_parameters().Zip(again.named_parameters()))
            Same(expected, actual);
        using var merged = PretrainedModels.LoadLanguageModel(_folder["adapter"]);
        Close(Logits(model), Logits(merged), 1e-4);
    }

    [Fact]
    public void ATargetThatNoLayerHasIsNamedWithThoseThatThereAre()
    {
        using var model = TinyModels.Create("gpt2");
        var error = Assert.Throws<DfpoException>(() =>
            LoraAdapters.Create(model, new LoraOptions { Rank = 2, TargetModules = ["c_attn", "q_proj"] }, 1)
        );
        Assert.Equal("lora/target", error.Code);
        Assert.Contains("'q_proj'", error.Message);
        Assert.Contains("c_attn, c_fc, c_proj", error.Message);
        Assert.Null(model.Adapters);
    }

    [Theory]
    [InlineData("peft_type", "\"IA3\"", "lora/unsupported", "IA3")]
    [InlineData("bias", "\"some\"", "lora/unsupported", "bias")]
    [InlineData("task_type", "\"SEQ_CLS\"", "lora/unsupported", "task_type")]
    [InlineData("use_dora", "true", "lora/shape", "lora_magnitude_vector")]
    [InlineData("lora_bias", "true", "lora/shape", "lora_B.bias")]
    [InlineData("rank_pattern", "{\"c_attn\": 8}", "lora/shape", "r = 8")]
    [InlineData("rank_pattern", "{\"c_attn\": 1.5}", "lora/unsupported", "rank_pattern")]
    [InlineData("rank_pattern", "{\"c_(attn\": 8}", "lora/unsupported", "rank_pattern")]
    [InlineData("alpha_pattern", "{\"c_attn\": \"8\"}", "config/", "c_attn")]
    [InlineData("target_modules", "null", "lora/unsupported", "target_modules")]
    [InlineData("layer_replication", "[[0, 1], [1, 2]]", "lora/unsupported", "layer_replication")]
    [InlineData("alora_invocation_tokens", "[5, 6]", "lora/unsupported", "alora_invocation_tokens")]
    [InlineData("use_qalora", "true", "lora/unsupported", "use_qalora")]
    [InlineData("init_lora_weights", "\"pissa_niter_4\"", "lora/unsupported", "init_lora_weights")]
    [InlineData("init_lora_weights", "\"loftq\"", "lora/unsupported", "init_lora_weights")]
    [InlineData("ensure_weight_tying", "true", "lora/unsupported", "ensure_weight_tying")]
    [InlineData("trainable_token_indices", "[5]", "lora/unsupported", "trainable_token_indices")]
    [InlineData("a_field_of_tomorrow", "0.5", "lora/unsupported", "a_field_of_tomorrow")]
    [InlineData("r", "0", "config/", "'r'")]
    [InlineData("r", "4", "lora/shape", "r = 4")]
    [InlineData("lora_alpha", "\"much\"", "config/", "lora_alpha")]
    public void AConfigurationThatCannotBeComputedIsRefusedByItsField(string field, string value, string code, string message)
    {
        var folder = Saved();
        var path = Path.Combine(folder, "adapter_config.json");
        var json = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        json[field] = JsonNode.Parse(value);
        File.WriteAllText(path, json.ToJsonString());

        var error = Assert.Throws<DfpoException>(() => AdapterFolder.Load(folder));
        Assert.StartsWith(code, error.Code);
        Assert.Contains(message, error.Message);
        Assert.Contains(folder, error.Message);
    }

    [Fact]
    public void WeightsThatAreCutOffMissingOrOfAnotherBaseAreRefused()
    {
        var folder = Saved();
        var weights = Path.Combine(folder, "adapter_model.safetensors");
        var bytes = File.ReadAllBytes(weights);

        using (var other = TinyModels.Create("gptj"))
        using (var adapter = AdapterFolder.Load(folder))
        {
            Assert.Equal("lora/target", Assert.Throws<DfpoException>(() => adapter.AttachTo(other)).Code);
            Assert.Null(other.Adapters);
            Assert.All(other.parameters(), p => Assert.True(p.requires_grad));
        }
        File.WriteAllBytes(weights, bytes[..^5]);
        Assert.Equal("checkpoint/corrupt", Assert.Throws<DfpoException>(() => AdapterFolder.Load(folder)).Code);
        using (var model = TinyModels.Create("gpt2"))
            SafetensorsWriter.Write(
                weights,
                new Dictionary<string, Tensor> { ["base_model.model.transformer.h.0.attn.c_attn.lora_A.weight"] = zeros(2, 24) }
            );
        Assert.Equal("lora/shape", Assert.Throws<DfpoException>(() => AdapterFolder.Load(folder)).Code);
        SafetensorsWriter.Write(weights, new Dictionary<string, Tensor> { ["transformer.wte.weight"] = zeros(2, 24) });
        Assert.Equal("lora/unsupported", Assert.Throws<DfpoException>(() => AdapterFolder.Load(folder)).Code);
        File.Delete(weights);
        Assert.Throws<DfpoException>(() => AdapterFolder.Load(folder));
    }

    [Theory]
    [MemberData(nameof(All))]
    public void RecomputedBlocksGiveTheSameGradientsWithAndWithoutAnAdapter(string name)
    {
        using var model = TinyModels.Create(name);
        using var other = TinyModels.Create(name);
        other.Precision.RecomputeBlocks = true;
        Logits(model).logsumexp(2).sum().backward();
        Logits(other).logsumexp(2).sum().backward();
        Compare(model, other);

        using var adapters = LoraAdapters.Create(model, new LoraOptions { Rank = 2 }, seed: 7);
        using var others = LoraAdapters.Create(other, new LoraOptions { Rank = 2 }, seed: 7);
        Excite(adapters);
        Excite(others);
        Logits(model).logsumexp(2).sum().backward();
        Logits(other).logsumexp(2).sum().backward();
        Compare(model, other);
    }

    private static void Compare(LanguageModel model, LanguageModel other)
    {
        var pairs = model.TrainedParameters().Zip(other.TrainedParameters()).ToArray();
        Assert.NotEmpty(pairs);
        foreach (var ((name, expected), (_, actual)) in pairs)
        {
            Assert.True(expected.grad is not null, name);
            Close(expected.grad!, actual.grad!, 1e-5 * Math.Max(1, expected.grad!.abs().max().item<float>()));
        }
    }

    private string Saved()
    {
        using var model = TinyModels.Create("gpt2");
        using var adapters = LoraAdapters.Create(model, new LoraOptions { Rank = 2 }, seed: 7);
        AdapterFolder.Save(_folder["bad"], adapters, model, _folder["base"]);
        return _folder["bad"];
    }

    /// <summary>Every kind of layer that the model has, its head included.</summary>
    private static LoraOptions Everywhere(LanguageModel model) =>
        new()
        {
            Rank = 2,
            Alpha = 3,
            TargetModules = [.. LoraAdapters.LayersOf(model).Select(path => path[(path.LastIndexOf('.') + 1)..]).Distinct()],
        };

    /// <summary>Gives the second factors, which start at zero, something to do.</summary>
    private static void Excite(LoraAdapters adapters)
    {
        using var _ = no_grad();
        using var generator = new Generator(11);
        foreach (
            var (name, parameter) in adapters.named_parameters().Where(p => p.name.EndsWith("lora_B.weight", StringComparison.Ordinal))
        )
            parameter.copy_(randn(parameter.shape, generator: generator) * 0.3);
    }

    private static Tensor Logits(LanguageModel model)
    {
        int[][] prompts =
        [
            [3, 4, 5],
            [6, 7],
        ];
        var ids = tensor(new long[] { 3, 4, 5, 8, 9, 10, 6, 7, 11, 12, 13, 14 }, [2, 6]);
        return model.Head(model.Hidden(model.Input(ids, prompts)));
    }
}
