using DfPO.Tasks.Metrics;

namespace DfPO.Tasks.Tests.Metrics;

public sealed class TreebankWordsTests
{
    [Fact]
    [Trait("Category", "Fixtures")]
    public void WordsAreThoseOfTheFixture()
    {
        var fixture = MetricFixture.Read();

        foreach (var (item, words) in fixture.Items.Zip(fixture.Root.GetProperty("meteor").GetProperty("treebank_tokens").EnumerateArray()))
            Assert.Equal(MetricFixture.Texts(words), TreebankWords.Of(item.Generation));
    }

    // The first three are the examples of NLTK's documentation.
    [Theory]
    [InlineData(
        "Good muffins cost $3.88\nin New York.  Please buy me\ntwo of them.\nThanks.",
        "Good muffins cost $ 3.88 in New York . Please buy me two of them . Thanks ."
    )]
    [InlineData("They'll save and invest more.", "They 'll save and invest more .")]
    [InlineData("hi, my name can't hello,", "hi , my name ca n't hello ,")]
    [InlineData("He said, \"I don't know.\"", "He said , `` I do n't know . ''")]
    [InlineData("I cannot; I'm gonna (maybe) wait -- no!", "I can not ; I 'm gon na ( maybe ) wait -- no !")]
    [InlineData("Mr. J. Smith's 1,000 dogs...", "Mr. J. Smith 's 1,000 dogs ...")]
    [InlineData("'Twas 'tis ' a", "'T was 't is ' a")]
    [InlineData("", "")]
    public void TextIsPartedByTheTreebanksConventions(string text, string words) =>
        Assert.Equal(words, string.Join(' ', TreebankWords.Of(text)));
}
