using System.Text.Json;
using DfPO.Models.Lora;
using DfPO.Models.Tests.Support;
using TorchSharp;
using static DfPO.Models.Tests.Support.TensorAssert;
using static TorchSharp.torch;

namespace DfPO.Models.Tests.Lora;

/// <summary>
/// Adapters that PEFT wrote, against what PEFT computes with them: logits beside and within the base, and five steps of learning.
/// </summary>
[Trait("Category", "Fixtures")]
public sealed class PeftFixtureTests : IDisposable
{
    // What PEFT moves logits by when it merges; beyond that its merge means something else than its adapter.
    private const double MergeRounding = 1e-3;

    private static readonly string s_root = Path.Combine(Repository.Fixtures, "peft");
    private readonly DisposeScope _scope = NewDisposeScope();

    /// <summary>Folders to be computed.</summary>
    public static TheoryData<string> Computed => Folders(refused: false);

    /// <summary>Folders to be refused.</summary>
    public static TheoryData<string> Refused => Folders(refused: true);

    public void Dispose() => _scope.Dispose();

    [Fact]
    public void ThereAreFolders()
    {
        Assert.NotEmpty(Computed);
        Assert.NotEmpty(Refused);
    }

    [Theory]
    [MemberData(nameof(Computed))]
    public void LogitsBesideTheBaseEqualPefts(string folder)
    {
        using var _ = no_grad();
        var expected = Expected(folder);
        using var adapter = AdapterFolder.Load(Adapter(folder, expected));
        using var model = adapter.LoadBeside(Base(folder, expected));

        CloseRows(expected.GetProperty("logits"), model, expected, Tolerance(folder));
    }

    [Theory]
    [MemberData(nameof(Computed))]
    public void MergedLogitsEqualPefts(string folder)
    {
        using var _ = no_grad();
        var expected = Expected(folder);
        using var adapter = AdapterFolder.Load(Adapter(folder, expected));
        if (!expected.TryGetProperty("logits_merged", out var merged))
        {
            Assert.True(expected.TryGetProperty("merge_refused_by_peft", out var why), folder);
            Assert.Equal("lora/merge", Assert.Throws<DfpoException>(() => adapter.LoadMerged(Base(folder, expected))).Code);
            return;
        }
        using var model = adapter.LoadMerged(Base(folder, expected));
        CloseRows(expected.GetProperty("logits"), model, expected, Tolerance(folder));
        if (expected.GetProperty("max_abs_diff_merged").GetDouble() < MergeRounding)
            CloseRows(merged, model, expected, Tolerance(folder));
        else
        {
            // Where head and embedding share a weight, PEFT's merge changes the head, too; ours parts them unless it is told to do the
            // same.
            using var shared = PretrainedModels.LoadLanguageModel(Base(folder, expected));
            adapter.MergeInto(shared);
            CloseRows(merged, shared, expected, Tolerance(folder));
        }
    }

    [Theory]
    [MemberData(nameof(Computed))]
    public void StepByStepDecodingEqualsTheWholePass(string folder)
    {
        using var _ = no_grad();
        var expected = Expected(folder);
        using var adapter = AdapterFolder.Load(Adapter(folder, expected));
        using var model = adapter.LoadBeside(Base(folder, expected));
        int[] row = [.. expected.GetProperty("rows")[0].EnumerateArray().Select(id => id.GetInt32())];
        using var decoder = Decoder(model);
        if (decoder is null)
            return;
        using var session = decoder.Open([row[..3]], row.Length - 3);
        var steps = new List<Tensor> { session.Prefill() };
        steps.AddRange(row[3..].Select(id => session.Step([id])));

        Close(expected.GetProperty("logits")[0].Tensor().narrow(0, 2, row.Length - 2), cat(steps, 0), 10 * Tolerance(folder));
    }

    [Theory]
    [MemberData(nameof(Computed))]
    public void StepsOfLearningEqualPefts(string folder)
    {
        var expected = Expected(folder);
        var steps = expected.GetProperty("adamw");
        using var adapter = AdapterFolder.Load(Adapter(folder, expected));
        using var model = adapter.LoadBeside(Base(folder, expected));
        var learnt = model.TrainedParameters().ToDictionary(p => p.name, p => p.parameter);

        Assert.Equal(expected.GetProperty("trainable_parameters").GetInt64(), learnt.Values.Sum(parameter => parameter.numel()));
        Assert.Equal(
            steps.GetProperty("gradients").EnumerateObject().Select(g => g.Name).Order(StringComparer.Ordinal),
            learnt.Keys.Select(name => KeyIn(steps, name)).Order(StringComparer.Ordinal)
        );
        double Option(string name) => steps.GetProperty(name).GetDouble();
        var betas = steps.GetProperty("betas");
        var optimiser = optim.AdamW(
            learnt.Values,
            Option("lr"),
            betas[0].GetDouble(),
            betas[1].GetDouble(),
            Option("eps"),
            Option("weight_decay")
        );
        double[] losses = [.. steps.GetProperty("loss").EnumerateArray().Select(x => x.GetDouble())],
            norms = [.. steps.GetProperty("grad_norm_before_clip").EnumerateArray().Select(x => x.GetDouble())];
        var rounding = new Dictionary<string, long>();
        for (var step = 0; step <= norms.Length; step++)
        {
            using var scope = NewDisposeScope();
            optimiser.zero_grad();
            var loss = Loss(model, expected);
            Assert.Equal(losses[step], loss.item<float>(), 1e-4 * losses[step]);
            if (step == norms.Length)
                break;
            loss.backward();
            if (step == 0)
                foreach (var (name, parameter) in learnt)
                {
                    rounding[name] = (parameter.grad!.abs() < 1e-5 * norms[0]).sum().item<long>();
                    Gradient(steps.GetProperty("gradients").GetProperty(KeyIn(steps, name)), parameter.grad!, name);
                }
            Assert.Equal(norms[step], nn.utils.clip_grad_norm_(learnt.Values, Option("clip_grad_norm")), 1e-3 * norms[step]);
            // The fixture's samples of elements are views, and hold what clipping has made of them.
            if (step == 0)
                foreach (var (name, parameter) in learnt)
                    Close(
                        steps.GetProperty("gradients").GetProperty(KeyIn(steps, name)).GetProperty("first4").Tensor(),
                        parameter.grad!.flatten().narrow(0, 0, 4),
                        1e-4
                    );
            optimiser.step();
        }
        // Adam divides by the gradient's own size: where that is nothing but rounding (attention does not see its keys' biases), the
        // direction is, too.
        foreach (var (name, parameter) in learnt)
            Assert.Equal(
                steps.GetProperty("l2_after").GetProperty(KeyIn(steps, name)).GetDouble(),
                parameter.norm().item<float>(),
                1e-3 + norms.Length * Option("lr") * Math.Sqrt(rounding[name])
            );
    }

    [Theory]
    [MemberData(nameof(Refused))]
    public void WhatIsNoPlainSumIsRefusedByItsField(string folder)
    {
        var error = Assert.Throws<DfpoException>(() => AdapterFolder.Load(Adapter(folder, Expected(folder))));

        Assert.Equal("lora/unsupported", error.Code);
        Assert.Contains("adapter_config.json", error.Message);
        Assert.Contains("field '", error.Message);
    }

    private static TheoryData<string> Folders(bool refused) =>
        Directory.Exists(s_root)
            ?
            [
                .. Directory
                    .GetDirectories(s_root)
                    .Where(folder => File.Exists(Path.Combine(folder, "expected.json")))
                    .Select(folder => Path.GetFileName(folder)!)
                    .Order(StringComparer.Ordinal)
                    .Where(folder =>
                        Expected(folder) is var expected
                        && expected.TryGetProperty("adapter_folder", out var _)
                        && expected.TryGetProperty("must_be_refused_by_a_lora_reader", out var _) == refused
                    ),
            ]
            : [];

    private static JsonElement Expected(string folder) =>
        JsonDocument.Parse(File.ReadAllBytes(Path.Combine(s_root, folder, "expected.json"))).RootElement;

    private static string Adapter(string folder, JsonElement expected) =>
        Path.Combine(s_root, folder, expected.GetProperty("adapter_folder").GetString()!);

    /// <summary>The base's folder; the note names it first.</summary>
    private static string Base(string folder, JsonElement expected) =>
        Path.Combine(s_root, folder, expected.GetProperty("base").GetString()!.Split(' ')[0]);

    // Of a raw initialisation both sides go through a decomposition of the base.
    private static double Tolerance(string folder) =>
        JsonDocument
            .Parse(File.ReadAllBytes(Path.Combine(Adapter(folder, Expected(folder)), "adapter_config.json")))
            .RootElement.GetProperty("init_lora_weights")
            .ValueKind == JsonValueKind.String
            ? 1e-3
            : 2e-5;

    private static Decoding.Decoder? Decoder(LanguageModel model)
    {
        try
        {
            return model.CreateDecoder();
        }
        catch (DfpoException e) when (e.Code == "lora/merge")
        {
            return null;
        }
    }

    private static void CloseRows(JsonElement logits, LanguageModel model, JsonElement expected, double tolerance)
    {
        foreach (var (row, ids) in expected.GetProperty("rows").EnumerateArray().Index())
        {
            var input = Ids(ids);
            var actual = model.Head(model.Hidden(new ModelInput(input)))[0];
            Close(logits[row].Tensor().narrow(0, 0, input.size(1)), actual, tolerance);
        }
    }

    /// <summary>Mean cross-entropy over every next token of all rows.</summary>
    private static Tensor Loss(LanguageModel model, JsonElement expected)
    {
        var losses = new List<Tensor>();
        foreach (var ids in expected.GetProperty("rows").EnumerateArray())
        {
            var input = Ids(ids);
            var logits = model.Head(model.Hidden(new ModelInput(input)))[0];
            losses.Add(
                nn.functional.cross_entropy(
                    logits.narrow(0, 0, input.size(1) - 1),
                    input[0].narrow(0, 1, input.size(1) - 1),
                    reduction: nn.Reduction.None
                )
            );
        }
        return cat(losses, 0).mean();
    }

    private static Tensor Ids(JsonElement ids) => tensor(ids.EnumerateArray().Select(id => id.GetInt64()).ToArray()).unsqueeze(0);

    /// <summary>
    /// PEFT's name of what this program calls a parameter: an adapted layer's own bias lies one deeper there, as does a module that is held
    /// whole.
    /// </summary>
    private static string KeyIn(JsonElement steps, string name)
    {
        var gradients = steps.GetProperty("gradients");
        var (module, last) = (name[..name.LastIndexOf('.')], name[(name.LastIndexOf('.') + 1)..]);
        string[] candidates =
        [
            $"base_model.model.{name}",
            $"base_model.model.{module}.base_layer.{last}",
            $"base_model.model.{module}.modules_to_save.{last}",
        ];
        return candidates.FirstOrDefault(key => gradients.TryGetProperty(key, out var _)) ?? candidates[0];
    }

    private static void Gradient(JsonElement expected, Tensor actual, string name)
    {
        var norm = expected.GetProperty("l2").GetDouble();
        Assert.Equal(expected.GetProperty("shape").EnumerateArray().Select(d => d.GetInt64()), actual.shape);
        Assert.True(
            Math.Abs(norm - actual.norm().item<float>()) <= 2e-4 * norm + 1e-6,
            $"gradient of {name}: norm {actual.norm().item<float>()}, expected {norm}"
        );
        Assert.True(
            Math.Abs(expected.GetProperty("max_abs").GetDouble() - actual.abs().max().item<float>()) <= 2e-4 * norm + 1e-6,
            $"gradient of {name}: largest element {actual.abs().max().item<float>()}"
        );
        Assert.True(
            Math.Abs(expected.GetProperty("sum").GetDouble() - actual.sum().item<float>()) <= 1e-3 * norm + 1e-6,
            $"gradient of {name}: sum {actual.sum().item<float>()}"
        );
    }
}
