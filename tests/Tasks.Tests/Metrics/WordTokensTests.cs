using DfPO.Tasks.Metrics;

namespace DfPO.Tasks.Tests.Metrics;

public sealed class WordTokensTests
{
    [Theory]
    [InlineData("", "")]
    [InlineData(" \n\t ", "")]
    [InlineData("The Film's 2nd half...", "the|film's|2nd|half|.|.|.")]
    [InlineData("don’t (really)!", "don’t|(|really|)|!")]
    [InlineData("well-made, 7/10", "well|-|made|,|7|/|10")]
    [InlineData("Ünïcode e\u0301te\u0301 日本", "ünïcode|e\u0301te\u0301|日本")]
    [InlineData("good 👍👍", "good|👍|👍")]
    public void WordsAreLowerCasedRunsAndPunctuationStandsAlone(string text, string expected) =>
        Assert.Equal(expected, string.Join('|', WordTokens.Of(text)));

    [Fact]
    public void NGramsStayWithinAnInstanceAndArePooledOverTheCorpus()
    {
        // Pairs: (a b), (b a), (a b) | (a b): two types of four; (a a) across the border would make it two of five or three of five.
        string[][] words =
        [
            ["a", "b", "a", "b"],
            ["a", "b"],
        ];

        Assert.Equal(2 / 4.0, WordTokens.Distinct(words, 2));
        Assert.Equal(2 / 6.0, WordTokens.Distinct(words, 1));
        Assert.Equal(2 / 2.0, WordTokens.Distinct(words, 3));
    }

    [Fact]
    public void ThereAreNoDistinctNGramsWhereThereAreNone()
    {
        Assert.Equal(0, WordTokens.Distinct([], 1));
        Assert.Equal(
            0,
            WordTokens.Distinct(
                [
                    [],
                    ["one"],
                ],
                2
            )
        );
    }

    [Fact]
    public void WordsThatJoinToTheSameLettersAreDifferentPairs() =>
        Assert.Equal(
            1,
            WordTokens.Distinct(
                [
                    ["ab", "c"],
                    ["a", "bc"],
                ],
                2
            )
        );
}
