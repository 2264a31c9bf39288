using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using TorchSharp;

namespace DfPO.Models.Tests.Support;

/// <summary>Where the files that tests compare with lie.</summary>
internal static class TestFiles
{
    public static string Checkpoint(string name) => Path.Combine(Repository.Path("tests/checkpoints"), name);

    /// <summary>Fixture folders that hold a decoder-only model and what the original computes with it.</summary>
    public static TheoryData<string> CausalFixtures { get; } = Fixtures("gpt2", "gptj", "llama");

    /// <summary>The same of encoder-decoder models.</summary>
    public static TheoryData<string> EncoderDecoderFixtures { get; } = Fixtures("t5");

    /// <summary>A fixture's expected values; one with another key layout only refers to the folder with the same weights.</summary>
    public static JsonElement Expected(string fixture)
    {
        var root = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Repository.Fixtures, fixture, "expected.json"))).RootElement;
        return root.TryGetProperty("greedy", out _) ? root : Expected(fixture.Split('_')[0]);
    }

    public static CausalLM LoadCausal(string fixture, torch.ScalarType dtype = torch.ScalarType.Float32) => PretrainedModels.LoadCausalLM(Path.Combine(Repository.Fixtures, fixture), dtype: dtype);

    public static EncoderDecoderLM LoadEncoderDecoder(string fixture, torch.ScalarType dtype = torch.ScalarType.Float32) =>
        (EncoderDecoderLM)PretrainedModels.LoadLanguageModel(Path.Combine(Repository.Fixtures, fixture), dtype: dtype);

    public static JsonObject Json(string path) => HfConfigReader.ReadFile(path);

    /// <summary>Test classes run side by side already.</summary>
    [ModuleInitializer]
    internal static void UseOneThread() => torch.set_num_threads(1);

    private static TheoryData<string> Fixtures(params string[] modelTypes) =>
    [
        .. Directory.GetDirectories(Repository.Fixtures).Where(folder => File.Exists(Path.Combine(folder, "config.json")) && File.Exists(Path.Combine(folder, "expected.json")))
            .Where(folder => modelTypes.Contains(Json(Path.Combine(folder, "config.json"))["model_type"]?.ToString())).Select(folder => Path.GetFileName(folder)!).Order(StringComparer.Ordinal),
    ];
}
