using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using TorchSharp;

namespace DfPO.Models.Tests.Support;

/// <summary>Where the files that tests compare with lie.</summary>
internal static class TestFiles
{
    public static string Checkpoint(string name) => Path.Combine(Repository.Path("tests/checkpoints"), name);

    /// <summary>Fixtures of decoder-only models: folders, and folders in the other spelling of their configuration.</summary>
    public static TheoryData<string> CausalFixtures { get; } = [.. FixtureModels.Cases("left_padded")];

    /// <summary>The folders alone.</summary>
    public static TheoryData<string> CausalFolders { get; } = [.. FixtureModels.Folders("left_padded")];

    /// <summary>Those with a row that is longer than windows and original lengths.</summary>
    public static TheoryData<string> LongFixtures { get; } = [.. FixtureModels.Cases("long")];

    /// <summary>Fixtures of encoder-decoder models.</summary>
    public static TheoryData<string> EncoderDecoderFixtures { get; } = [.. FixtureModels.Folders("forward")];

    /// <summary>A fixture's expected values.</summary>
    public static JsonElement Expected(string fixture) => JsonSerializer.SerializeToElement(FixtureModels.Expected(fixture));

    public static CausalLM LoadCausal(string fixture, torch.ScalarType dtype = torch.ScalarType.Float32) =>
        (CausalLM)FixtureModels.Load(fixture, dtype);

    public static EncoderDecoderLM LoadEncoderDecoder(string fixture, torch.ScalarType dtype = torch.ScalarType.Float32) =>
        (EncoderDecoderLM)FixtureModels.Load(fixture, dtype);

    public static JsonObject Json(string path) => HfConfigReader.ReadFile(path);

    /// <summary>Test classes run side by side already.</summary>
    [ModuleInitializer]
    internal static void UseOneThread() => torch.set_num_threads(1);
}
