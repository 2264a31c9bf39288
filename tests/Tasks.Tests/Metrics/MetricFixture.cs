using System.Text.Json;

namespace DfPO.Tasks.Tests.Metrics;

/// <summary>Twenty items and the values that the reference code of each metric gives them.</summary>
internal sealed class MetricFixture
{
    private MetricFixture(JsonElement root)
    {
        Root = root;
        Items =
        [
            .. root.GetProperty("items")
                .EnumerateArray()
                .Select(item => new Item(
                    item.GetProperty("prompt").GetString()!,
                    item.GetProperty("generation").GetString()!,
                    Texts(item.GetProperty("references"))
                )),
        ];
        Assert.NotEmpty(Items);
    }

    public JsonElement Root { get; }

    public Item[] Items { get; }

    public static MetricFixture Read() =>
        new(JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Repository.Fixtures, "metrics", "expected.json"))).RootElement);

    public static string[] Texts(JsonElement array) => [.. array.EnumerateArray().Select(text => text.GetString()!)];

    public static double[] Numbers(JsonElement array) => [.. array.EnumerateArray().Select(number => number.GetDouble())];

    public static void AssertEqual(IEnumerable<double> expected, IEnumerable<double> actual, double tolerance = 1e-9)
    {
        double[] wanted = [.. expected],
            got = [.. actual];
        Assert.Equal(wanted.Length, got.Length);
        for (var i = 0; i < wanted.Length; i++)
            Assert.True(Math.Abs(wanted[i] - got[i]) <= tolerance, $"item {i}: {wanted[i]} expected, {got[i]} computed");
    }

    public sealed record Item(string Prompt, string Generation, string[] References)
    {
        public string[] Words => Generation.Split(' ');

        public string[] LowerWords => Generation.ToLowerInvariant().Split(' ');

        public string[][] ReferenceWords => [.. References.Select(reference => reference.Split(' '))];

        public string[][] LowerReferenceWords => [.. References.Select(reference => reference.ToLowerInvariant().Split(' '))];
    }
}
