using DfPO.Tasks.Metrics;

namespace DfPO.Tasks.Tests.Metrics;

public sealed class PorterStemmerTests
{
    [Fact]
    [Trait("Category", "Fixtures")]
    public void StemsAreThoseOfNltk()
    {
        var stems = MetricFixture.Read().Root.GetProperty("porter_stems").GetProperty("stems").EnumerateObject().ToArray();

        Assert.NotEmpty(stems);
        foreach (var stem in stems)
            Assert.Equal(stem.Value.GetString(), PorterStemmer.Stem(stem.Name));
    }

    // From Porter's paper and his word list, and NLTK's departures from them (dying, flies of four letters, enjoy).
    [Theory]
    [InlineData("caresses", "caress")]
    [InlineData("ponies", "poni")]
    [InlineData("ties", "tie")]
    [InlineData("dying", "die")]
    [InlineData("spied", "spi")]
    [InlineData("tied", "tie")]
    [InlineData("agreed", "agre")]
    [InlineData("feed", "feed")]
    [InlineData("bled", "bled")]
    [InlineData("conflated", "conflat")]
    [InlineData("hopping", "hop")]
    [InlineData("falling", "fall")]
    [InlineData("filing", "file")]
    [InlineData("happy", "happi")]
    [InlineData("enjoy", "enjoy")]
    [InlineData("by", "by")]
    [InlineData("relational", "relat")]
    [InlineData("hesitanci", "hesit")]
    [InlineData("radically", "radic")]
    [InlineData("vietnamization", "vietnam")]
    [InlineData("hopefulness", "hope")]
    [InlineData("archaeologi", "archaeolog")]
    [InlineData("electricity", "electr")]
    [InlineData("adjustment", "adjust")]
    [InlineData("adoption", "adopt")]
    [InlineData("probate", "probat")]
    [InlineData("cease", "ceas")]
    [InlineData("controller", "control")]
    [InlineData("Running", "run")]
    public void WellKnownWordsHaveTheirStems(string word, string stem) => Assert.Equal(stem, PorterStemmer.Stem(word));

    [Fact]
    public void AnyTextHasAStem()
    {
        foreach (var word in new[] { "", "a", "ed", "ing", "ion", "y", "'s", "...", "ational", "ies", "é", "👍" })
            Assert.True(PorterStemmer.Stem(word).Length <= word.Length + 1, word);
    }
}
