using System.Text.Json;
using DfPO.Tasks.Metrics;

namespace DfPO.Tasks.Tests.Metrics;

public sealed class VaderTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    [Trait("Category", "Vectors")]
    public void ScoresEqualNltk()
    {
        var path = Path.Combine(Repository.Vectors, "vader_nltk38.json");
        path = File.Exists(path) ? path : SharedData.Path("../vectors/vader_nltk38.json");
        var vader = Vader.Load(SharedData.Path("lexicons/vader"));
        using var vectors = JsonDocument.Parse(File.ReadAllBytes(path));

        foreach (var item in vectors.RootElement.EnumerateArray())
        {
            var expected = item.GetProperty("scores");
            var scores = vader.Score(item.GetProperty("text").GetString()!);
            Assert.Equal(expected.GetProperty("compound").GetDouble(), scores.Compound, 1e-4);
            Assert.Equal(expected.GetProperty("neg").GetDouble(), scores.Negative, 1e-3);
            Assert.Equal(expected.GetProperty("neu").GetDouble(), scores.Neutral, 1e-3);
            Assert.Equal(expected.GetProperty("pos").GetDouble(), scores.Positive, 1e-3);
        }
    }

    // Sums of valences worked out by hand from the rules; good 1.9, bad -2.5.
    [Theory]
    [InlineData("a good film", 1.9)]
    [InlineData("a GOOD film", 1.9 + 0.733)]
    [InlineData("GOOD FILM", 1.9)]
    [InlineData("very good film", 1.9 + 0.293)]
    [InlineData("slightly bad film", -2.5 + 0.293)]
    [InlineData("very nice good film", 1.9 + 0.95 * 0.293)]
    [InlineData("not good film", 1.9 * -0.74)]
    [InlineData("it isn't good", 1.9 * -0.74)]
    [InlineData("good film but bad acting", 1.9 * 0.5 - 2.5 * 1.5)]
    [InlineData("good film!!", 1.9 + 2 * 0.292)]
    [InlineData("bad film??", -2.5 - 2 * 0.18)]
    [InlineData("the least good", 1.9 * -0.74)]
    [InlineData("at least good", 1.9)]
    [InlineData("never so good", 1.9 * 1.5 + 0.293 * 1.5)]
    [InlineData("table chair", 0)]
    public void RulesAreApplied(string text, double sum)
    {
        var vader = Vader.Load(_folder.Write("vader_lexicon.txt", "good\t1.9\t0.9\t[2]\nbad\t-2.5\t0.6\t[-3]\n"));

        Assert.Equal(Math.Round(sum / Math.Sqrt(sum * sum + 15), 4), vader.Score(text).Compound, 4);
    }

    [Fact]
    public void ATextWithoutWordsIsNeitherGoodNorBad() =>
        Assert.Equal(default, Vader.Load(_folder.Write("l.txt", "good\t1.9\n")).Score("a ! ."));

    [Fact]
    public void ALexiconThatIsMissingOrMalformedIsNamed()
    {
        Assert.Equal("lexicon/missing", CodeOf(() => Vader.Load(_folder.Path), "vader_lexicon.txt"));
        Assert.Equal("lexicon/malformed", CodeOf(() => Vader.Load(_folder.Write("l.txt", "good\t1.9\nbad\tx\n")), "l.txt", "line 2"));
    }
}
