using System.Text.Json.Nodes;

namespace DfPO.Rollout.Tests;

/// <summary>Expectations made by the original implementations.</summary>
internal static class Fixtures
{
    public static JsonNode Expected(string name) => FixtureModels.Expected(name);

    /// <summary>Fixture folders with a language model's checkpoint and what the original continues with it under this key.</summary>
    public static IEnumerable<string> LanguageModels(string key) => FixtureModels.Folders(key);

    public static DfPO.Models.LanguageModel Load(string name) => FixtureModels.Load(name);

    /// <summary>The prompts of a fixture without their padding.</summary>
    public static GenerationRequest[] Prompts(string name)
    {
        var expected = Expected(name);
        var inputs = expected["left_padded"] ?? expected["forward"]!;
        return [.. Unpadded(inputs["input_ids"]!, inputs["attention_mask"]!).Select(ids => new GenerationRequest(ids, Seed: 1))];
    }

    /// <summary>The ids of each row where its mask is 1.</summary>
    public static IEnumerable<int[]> Unpadded(JsonNode ids, JsonNode mask) =>
        ids.AsArray()
            .Zip(mask.AsArray(), (row, real) =>
                Ints(row).Zip(Ints(real)).Where(pair => pair.Second == 1).Select(pair => pair.First).ToArray()
            );

    public static int[] Ints(JsonNode? node) => [.. node!.AsArray().Select(x => (int)x!)];

    /// <summary>Numbers; the strings <c>Infinity</c> and <c>-Infinity</c> stand for what JSON lacks.</summary>
    public static float[] Floats(JsonNode? node) =>
        [
            .. node!
                .AsArray()
                .Select(x =>
                    x is JsonValue value && value.TryGetValue<string>(out var text)
                        ? float.Parse(text, System.Globalization.CultureInfo.InvariantCulture)
                        : (float)x!
                ),
        ];
}
