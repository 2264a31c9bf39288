using System.Text.Json;

namespace DfPO.Tasks.Tests.Metrics;

/// <summary>A real system's sentences for CommonGen's test set and their scores; every system of the file.</summary>
internal static class CaptionVectors
{
    public static IEnumerable<(string System, JsonElement Corpus, Item[] Items)> Read()
    {
        var path = Path.Combine(Repository.Vectors, "commongen_test_coco_vectors.json");
        Assert.SkipUnless(File.Exists(path), "needs commongen_test_coco_vectors.json");
        foreach (var system in JsonDocument.Parse(File.ReadAllBytes(path)).RootElement.GetProperty("systems").EnumerateObject())
            yield return (
                system.Name,
                system.Value.GetProperty("corpus"),
                [
                    .. system
                        .Value.GetProperty("per_item")
                        .EnumerateArray()
                        .Select(item => new Item(
                            item.GetProperty("hyp").GetString()!.Split(' '),
                            [.. MetricFixture.Texts(item.GetProperty("refs")).Select(reference => reference.Split(' '))],
                            item
                        )),
                ]
            );
    }

    public sealed record Item(string[] Hypothesis, string[][] References, JsonElement Expected);
}
