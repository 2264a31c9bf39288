using DfPO.Models.Tokenizers.PreTokenizers;
using DfPO.Models.Tokenizers.Text;

namespace DfPO.Models.Tests.Tokenizers;

/// <summary>Patterns of HF's tokenizers, whose engine is Oniguruma, and Unicode's normalization forms.</summary>
public sealed class TextPatternTests
{
    /// <summary>Matches as Oniguruma has them.</summary>
    [Theory]
    [InlineData("(?i:'s)", "a'S'\u017F's", "'S|'\u017F|'s")]
    [InlineData("(?i:k)", "k\u212AKx", "k|\u212A|K")]
    [InlineData("(?i:[st]+)", "TeSt\u017F", "T|St\u017F")]
    [InlineData("(?-i:a)|(?i:b)", "AaBb", "a|B|b")]
    [InlineData("[^(\\s|[.,!?])]+", "a(b. c|d", "a|b|c|d")]
    [InlineData("a++b|a", "aab aa", "aab|a|a")]
    [InlineData("\\p{N}{,2}\\p{^L}", "12a1.", "12|1.")]
    [InlineData("\\p{N}", "\u00BD\u00B2\u2167\u0663a\u2460", "\u00BD|\u00B2|\u2167|\u0663|\u2460")]
    [InlineData("\\s+", "a\u0085\u2028b\u180Ec\u200Bd\u001Ce", "\u0085\u2028")]
    [InlineData("[\u4E00-\u9FA5\u0800-\u4E00\uAC00-\uD7FF]+", "a\u65E5\u672C\U0001D400", "\u65E5\u672C")]
    [InlineData("\\p{L}+", "a\U0001D400b \U00020000\U0001F41D", "a\U0001D400b|\U00020000")]
    [InlineData("[^\\p{L}]", "\U0001F41Da", "\U0001F41D")]
    public void MatchesAreOnigurumas(string pattern, string text, string matches) =>
        Assert.Equal(matches.Split('|'), RegexPattern.Of(pattern).Matches(text).Select(match => text.Substring(match.Start, match.Length)));

    [Theory]
    [InlineData("")]
    [InlineData("a)")]
    [InlineData("(a")]
    [InlineData("[a")]
    [InlineData("[]")]
    [InlineData("[a[^b]]")]
    [InlineData("a{1,2}+")]
    [InlineData("a**")]
    [InlineData("\\1")]
    [InlineData("\\bx")]
    [InlineData("\\h")]
    [InlineData("\\p{Greek}")]
    [InlineData("x$")]
    [InlineData("(?<n>a)")]
    [InlineData("(?i:\u00E9)")]
    [InlineData("\U0001F41D")]
    [InlineData("[z-a]")]
    public void WhatMayMeanSomethingElseIsRefused(string pattern) => Assert.Throws<FormatException>(() => OnigurumaPattern.Parse(pattern));

    [Fact]
    public void AMatchThatTakesTooLongIsRefused() =>
        Assert.Equal(
            "tokenizer/pattern",
            CodeOf(
                () => RegexPattern.Of("(?:a|aa)+d", TimeSpan.FromMilliseconds(50)).Matches(new string('a', 80) + "b d"),
                "(?:a|aa)+d",
                "0.05 s"
            )
        );

    /// <summary>Digits of a text cut in each way, as HF's tokenizers.</summary>
    [Theory]
    [InlineData("Isolated", "a|1|2|b|3")]
    [InlineData("Removed", "a|b")]
    [InlineData("Contiguous", "a|12|b|3")]
    [InlineData("MergedWithPrevious", "a1|2|b3")]
    [InlineData("MergedWithNext", "a|1|2b|3")]
    public void MatchesGoWhereTheBehaviourPutsThem(string behavior, string pieces)
    {
        var into = new List<Piece>();
        new SplitPreTokenizer(new CharacterPattern(Characters.IsNumeric), Enum.Parse<SplitBehavior>(behavior)).Split(
            new Piece("a12b3", true),
            into
        );
        Assert.Equal(pieces.Split('|'), into.Select(piece => piece.Text));
        Assert.Equal([.. into.Select((_, index) => index == 0)], into.Select(piece => piece.IsFirst));
    }

    /// <summary>Examples of Unicode's Annex 15.</summary>
    [Theory]
    [InlineData("\u212B", "\u00C5", "A\u030A", "\u00C5", "A\u030A")]
    [InlineData("\u1E9B\u0323", "\u1E9B\u0323", "\u017F\u0323\u0307", "\u1E69", "s\u0323\u0307")]
    [InlineData("\uFB01", "\uFB01", "\uFB01", "fi", "fi")]
    [InlineData("\uD55C", "\uD55C", "\u1112\u1161\u11AB", "\uD55C", "\u1112\u1161\u11AB")]
    [InlineData("a\u0301\u0323", "\u1EA1\u0301", "a\u0323\u0301", "\u1EA1\u0301", "a\u0323\u0301")]
    [InlineData("\u0958", "\u0915\u093C", "\u0915\u093C", "\u0915\u093C", "\u0915\u093C")]
    [InlineData("\U0001D15E", "\U0001D157\U0001D165", "\U0001D157\U0001D165", "\U0001D157\U0001D165", "\U0001D157\U0001D165")]
    public void NormalizationFormsAreUnicodes(string text, string nfc, string nfd, string nfkc, string nfkd)
    {
        string Form(bool compatible, bool compose) => UnicodeNormalization.Normalize(text, compatible, compose);
        Assert.Equal((nfc, nfd, nfkc, nfkd), (Form(false, true), Form(false, false), Form(true, true), Form(true, false)));
    }
}
