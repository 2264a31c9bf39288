using System.Text.Json;
using DfPO.Tasks.Metrics;
using static DfPO.Tasks.Tests.Metrics.MetricFixture;

namespace DfPO.Tasks.Tests.Metrics;

public sealed class MeteorTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    [Trait("Category", "Fixtures")]
    public void ScoresWithoutSynonymsEqualNltk()
    {
        var fixture = Read();

        AssertEqual(
            Numbers(Expected(fixture, "first_ref_without_wordnet")),
            fixture.Items.Select(item => new Meteor(null).Score(TreebankWords.Of(item.Generation), TreebankWords.Of(item.References[0])))
        );
    }

    [Fact]
    [Trait("Category", "Fixtures")]
    public void ScoresWithWordNetEqualNltk()
    {
        var fixture = Read();
        var meteor = new Meteor(s_wordNet.Value);

        AssertEqual(
            Numbers(Expected(fixture, "first_ref")),
            fixture.Items.Select(item => meteor.Score(TreebankWords.Of(item.Generation), TreebankWords.Of(item.References[0])))
        );
        AssertEqual(
            Numbers(Expected(fixture, "max_over_refs")),
            fixture.Items.Select(item => meteor.Score(TreebankWords.Of(item.Generation), item.References.Select(TreebankWords.Of)))
        );
        AssertEqual(
            Numbers(Expected(fixture, "rl4lms_quirk_str_of_list")),
            fixture.Items.Select(item =>
                meteor.Score(TreebankWords.Of(item.Generation), TreebankWords.Of(Meteor.PythonList(item.References)))
            )
        );
    }

    [Fact]
    [Trait("Category", "Vectors")]
    public void ScoresOfACommonGenSystemEqualNltk()
    {
        var path = Path.Combine(Repository.Vectors, "commongen_test_meteor_nltk.json");
        Assert.SkipUnless(File.Exists(path), "needs commongen_test_meteor_nltk.json");
        using var vectors = JsonDocument.Parse(File.ReadAllBytes(path));
        var meteor = new Meteor(s_wordNet.Value);
        foreach (var (system, _, items) in CaptionVectors.Read())
        {
            var expected = vectors
                .RootElement.GetProperty("systems")
                .GetProperty(system)
                .GetProperty("per_item")
                .EnumerateArray()
                .ToArray();

            AssertEqual(
                expected.Select(e => e.GetProperty("meteor_max_over_refs").GetDouble()),
                expected.Select(e => items[e.GetProperty("i").GetInt32()]).Select(item => meteor.Score(item.Hypothesis, item.References))
            );
            AssertEqual(
                expected.Select(e => e.GetProperty("meteor_ref0").GetDouble()),
                expected.Select(e => items[e.GetProperty("i").GetInt32()]).Select(item => meteor.Score(item.Hypothesis, item.References[0]))
            );
        }
    }

    [Fact]
    public void AScoreIsWhatTheFormulaGives()
    {
        var meteor = new Meteor(WordNet.Load(TinyWordNet.Write(_folder)));

        // Three of four words match ("auto" by synonym, "tree" by stem), in the chunks "the cars" and "trees": P = R = 3/4.
        var score = meteor.Score(["The", "cars", "hit", "trees"], ["the", "auto", "missed", "tree"]);

        Assert.Equal(0.75 * (1 - 0.5 * Math.Pow(2 / 3.0, 3)), score, 12);
        Assert.Equal(0, meteor.Score(["x"], ["y"]));
        Assert.Equal(0, meteor.Score([], ["y"]));
        Assert.Equal(0, meteor.Score(["x"], Array.Empty<string>()));
    }

    [Fact]
    public void AListIsPrintedAsPythonDoes() =>
        Assert.Equal("""['A dog.', "It's", '"It\'s"', 'a\\b']""", Meteor.PythonList(["A dog.", "It's", "\"It's\"", "a\\b"]));

    private static readonly Lazy<WordNet> s_wordNet = new(() => WordNet.Load(SharedData.Path("wordnet/wordnet-3.0.tar.xz")));

    private static JsonElement Expected(MetricFixture fixture, string name) => fixture.Root.GetProperty("meteor").GetProperty(name);
}
