using System.Text.Json.Nodes;

namespace DfPO.Rollout.Tests;

/// <summary>Expectations made by the original implementations.</summary>
internal static class Fixtures
{
    public static JsonNode Expected(string name) => JsonNode.Parse(File.ReadAllText(Path.Combine(Repository.Fixtures, name, "expected.json")))!;

    /// <summary>Fixture folders with a language model's checkpoint and what the original continues with it under this key.</summary>
    public static IEnumerable<string> LanguageModels(string key) => Directory.EnumerateDirectories(Repository.Fixtures)
        .Where(folder => File.Exists(Path.Combine(folder, "config.json")) && File.Exists(Path.Combine(folder, "expected.json")))
        .Where(folder => JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "config.json")))!["model_type"]?.ToString() is "gpt2" or "gptj" or "llama" or "t5")
        .Select(folder => Path.GetFileName(folder)!)
        .Where(name => Expected(name)[key] is not null)
        .Order(StringComparer.Ordinal);

    public static DfPO.Models.LanguageModel Load(string name) => DfPO.Models.PretrainedModels.LoadLanguageModel(Path.Combine(Repository.Fixtures, name));

    /// <summary>The prompts of a fixture without their padding.</summary>
    public static GenerationRequest[] Prompts(string name)
    {
        var expected = Expected(name);
        var inputs = expected["left_padded"] ?? expected["forward"]!;
        return [.. Unpadded(inputs["input_ids"]!, inputs["attention_mask"]!).Select(ids => new GenerationRequest(ids, Seed: 1))];
    }

    /// <summary>The ids of each row where its mask is 1.</summary>
    public static IEnumerable<int[]> Unpadded(JsonNode ids, JsonNode mask) => ids.AsArray().Zip(mask.AsArray(),
        (row, real) => Ints(row).Zip(Ints(real)).Where(pair => pair.Second == 1).Select(pair => pair.First).ToArray());

    public static int[] Ints(JsonNode? node) => [.. node!.AsArray().Select(x => (int)x!)];

    /// <summary>Numbers; the strings <c>Infinity</c> and <c>-Infinity</c> stand for what JSON lacks.</summary>
    public static float[] Floats(JsonNode? node) => [.. node!.AsArray().Select(x => x is JsonValue value && value.TryGetValue<string>(out var text)
        ? float.Parse(text, System.Globalization.CultureInfo.InvariantCulture)
        : (float)x!)];
}
