using System.Text.Json.Nodes;
using DfPO.Models;
using TorchSharp;

namespace DfPO.Tests.Support;

/// <summary>
/// Checkpoints of the fixtures with what the original computes with them: every folder whose <c>model_type</c> is known. A case is a
/// folder, or one with <c>config_v4.json</c>, its other spelling, in place of its <c>config.json</c>.
/// </summary>
internal static class FixtureModels
{
    private const string OtherSpelling = " (config_v4.json)";

    /// <summary>Folders with a key in their <c>expected.json</c>, or in that of the folder whose weights they have.</summary>
    public static IEnumerable<string> Folders(string key) =>
        Directory
            .EnumerateDirectories(Repository.Fixtures)
            .Where(folder =>
                File.Exists(Path.Combine(folder, "config.json"))
                && File.Exists(Path.Combine(folder, "expected.json"))
                && IsKnown(Path.Combine(folder, "config.json"))
            )
            .Select(folder => Path.GetFileName(folder)!)
            .Where(folder => Expected(folder)[key] is not null)
            .Order(StringComparer.Ordinal);

    /// <summary>The same in every spelling of their configuration.</summary>
    public static IEnumerable<string> Cases(string key) =>
        Folders(key)
            .SelectMany(folder =>
                File.Exists(Path.Combine(Repository.Fixtures, folder, "config_v4.json"))
                    ? new[] { folder, folder + OtherSpelling }
                    : [folder]
            );

    /// <summary>What the original computes; a folder with another layout of keys only refers to the one with the same weights.</summary>
    public static JsonNode Expected(string name)
    {
        var folder = Folder(name);
        var expected = JsonNode.Parse(File.ReadAllText(Path.Combine(Repository.Fixtures, folder, "expected.json")))!;
        return
            expected["greedy"] is null && Directory.Exists(Path.Combine(Repository.Fixtures, folder.Split('_')[0])) && folder.Contains('_')
            ? Expected(folder.Split('_')[0])
            : expected;
    }

    /// <summary>The model of a case.</summary>
    public static LanguageModel Load(string name, torch.ScalarType dtype = torch.ScalarType.Float32)
    {
        var source = Path.Combine(Repository.Fixtures, Folder(name));
        if (!name.EndsWith(OtherSpelling, StringComparison.Ordinal))
            return PretrainedModels.LoadLanguageModel(source, dtype: dtype);
        using var copy = new TestFolder();
        foreach (var file in Directory.EnumerateFiles(source, "model*"))
            File.Copy(file, copy[Path.GetFileName(file)]);
        File.Copy(Path.Combine(source, "config_v4.json"), copy["config.json"]);
        return PretrainedModels.LoadLanguageModel(copy.Path, dtype: dtype);
    }

    private static string Folder(string name) => name.Replace(OtherSpelling, "", StringComparison.Ordinal);

    private static bool IsKnown(string path)
    {
        try
        {
            ModelConfig.FromJson(HfConfigReader.ReadFile(path), path);
            return true;
        }
        catch (DfpoException e)
        {
            // What is known but refused is a test's to find.
            return e.Code != "model/unknown-type";
        }
    }
}
