using System.Text.Json.Nodes;

namespace DfPO.Rollout.Tests;

/// <summary>Expectations made by the original implementations.</summary>
internal static class Fixtures
{
    public static JsonNode Expected(string name) => JsonNode.Parse(File.ReadAllText(Path.Combine(Repository.Fixtures, name, "expected.json")))!;

    /// <summary>Fixture folders with a GPT-2 checkpoint and greedy continuations.</summary>
    public static IEnumerable<string> GreedyModels() => Directory.EnumerateDirectories(Repository.Fixtures)
        .Where(folder => File.Exists(Path.Combine(folder, "config.json")) && File.Exists(Path.Combine(folder, "expected.json")))
        .Where(folder => JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "config.json")))!["model_type"]?.ToString() == "gpt2")
        .Select(folder => Path.GetFileName(folder)!)
        .Where(name => Expected(name)["greedy"] is not null)
        .Order(StringComparer.Ordinal);

    public static int[] Ints(JsonNode? node) => [.. node!.AsArray().Select(x => (int)x!)];

    /// <summary>Numbers; the strings <c>Infinity</c> and <c>-Infinity</c> stand for what JSON lacks.</summary>
    public static float[] Floats(JsonNode? node) => [.. node!.AsArray().Select(x => x is JsonValue value && value.TryGetValue<string>(out var text)
        ? float.Parse(text, System.Globalization.CultureInfo.InvariantCulture)
        : (float)x!)];
}
