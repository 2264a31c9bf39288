using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using TorchSharp;

namespace DfPO.Models.Tests.Support;

/// <summary>Where the files that tests compare with lie.</summary>
internal static class TestFiles
{
    public static string Root { get; } = FindRoot();

    public static string Fixtures { get; } = Environment.GetEnvironmentVariable("DFPO_FIXTURES") ?? Path.Combine(Root, "tests", "fixtures");

    public static string Vectors { get; } = Environment.GetEnvironmentVariable("DFPO_VECTORS") ?? Path.Combine(Root, "tests", "vectors");

    public static string Gpt2Tokenizer { get; } = Path.Combine(Root, "tests", "tokenizers", "gpt2");

    public static string Checkpoint(string name) => Path.Combine(Root, "tests", "checkpoints", name);

    /// <summary>Fixture folders that hold a GPT-2 and what the original computes with it.</summary>
    public static TheoryData<string> Gpt2Fixtures { get; } =
    [
        .. Directory.GetDirectories(Fixtures).Where(folder => File.Exists(Path.Combine(folder, "config.json")) && File.Exists(Path.Combine(folder, "expected.json")))
            .Where(folder => HfConfigReader.ReadFile(Path.Combine(folder, "config.json"))["model_type"]?.ToString() == "gpt2").Select(folder => Path.GetFileName(folder)!).Order(StringComparer.Ordinal),
    ];

    /// <summary>A fixture's expected values; one with another key layout only refers to the folder with the same weights.</summary>
    public static JsonElement Expected(string fixture)
    {
        var root = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Fixtures, fixture, "expected.json"))).RootElement;
        return root.TryGetProperty("left_padded", out _) ? root : Expected(fixture.Split('_')[0]);
    }

    public static CausalLM Load(string fixture) => PretrainedModels.LoadCausalLM(Path.Combine(Fixtures, fixture));

    public static JsonObject Json(string path) => HfConfigReader.ReadFile(path);

    /// <summary>The code of the <see cref="DfpoException"/> that an action throws, after a check that its message holds all of some words.</summary>
    public static string CodeOf(Action action, params string[] words)
    {
        var error = Assert.Throws<DfpoException>(action);
        foreach (var word in words)
            Assert.Contains(word, error.Message);
        return error.Code;
    }

    /// <summary>Two cores are shared with everything else: one thread a test.</summary>
    [ModuleInitializer]
    internal static void UseOneThread() => torch.set_num_threads(1);

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "DfPO.sln")))
            folder = folder.Parent ?? throw new DirectoryNotFoundException("No DfPO.sln above the tests.");
        return folder.FullName;
    }
}
