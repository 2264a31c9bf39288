using DfPO.Models;
using DfPO.Tasks.Metrics;

namespace DfPO.Tasks.Tests.Metrics;

public sealed class DiversityTests
{
    [Theory]
    [InlineData("")]
    [InlineData("nopunct")]
    [Trait("Category", "Fixtures")]
    public void FiguresEqualGems(string variant)
    {
        var fixture = MetricFixture.Read();
        var gem = fixture.Root.GetProperty("diversity").GetProperty("values");
        string[][] texts =
        [
            .. fixture.Items.Select(item =>
                TreebankWords.Lower(item.Generation).Where(word => variant == "" || !TreebankWords.IsPunctuation(word)).ToArray()
            ),
        ];
        double Gem(string name) => gem.GetProperty(variant == "" ? name : $"{name}-{variant}").GetDouble();

        foreach (var window in new[] { 20, 100 })
            Assert.Equal(
                gem.GetProperty(variant == "" ? $"msttr-{window}" : $"msttr-{window}_{variant}").GetDouble(),
                Math.Round(Diversity.Msttr(texts, window), 5),
                12
            );
        var lengths = Diversity.Lengths(texts);
        Assert.Equal(
            (Gem("total_length"), Gem("mean_pred_length"), Gem("median_pred_length"), Gem("min_pred_length"), Gem("max_pred_length")),
            (lengths.Total, lengths.Mean, lengths.Median, lengths.Min, lengths.Max)
        );
        Assert.Equal(Gem("std_pred_length"), lengths.StandardDeviation, 1e-12);
        for (var n = 1; n <= 3; n++)
        {
            var figures = Diversity.OfNgrams(texts, n);
            Assert.Equal((Gem($"vocab_size-{n}"), Gem($"unique-{n}")), (figures.Vocabulary, figures.Unique));
            Assert.Equal(Gem($"distinct-{n}"), figures.Distinct, 1e-12);
            Assert.Equal(Gem($"entropy-{n}"), figures.Entropy, 1e-12);
            if (n > 1)
                Assert.Equal(Gem($"cond_entropy-{n}"), figures.ConditionalEntropy, 1e-12);
        }
    }

    [Fact]
    public void FewerWordsThanAWindowGiveNoRatio() =>
        Assert.True(
            double.IsNaN(
                Diversity.Msttr([
                    ["a", "b"],
                ])
            )
        );

    [Fact]
    public void AnEvenNumberOfTextsHasTheMeanOfItsMiddleTwoAsMedian() =>
        Assert.Equal(
            1.5,
            Diversity
                .Lengths([
                    ["a"],
                    ["a", "b"],
                    [],
                    ["a", "b", "c"],
                ])
                .Median
        );

    [Fact]
    public void RepetitionIsTheShareOfRepeatedNgrams()
    {
        Assert.Equal(0, Degeneration.RepetitionRate(["a", "b", "c", "d", "e"]));
        // a b a b a b a b: five 4-grams, two different ones.
        Assert.Equal(3 / 5.0, Degeneration.RepetitionRate(["a", "b", "a", "b", "a", "b", "a", "b"]), 12);
        Assert.Equal(0, Degeneration.RepetitionRate(["a", "a", "a"]));
        Assert.Equal(2 / 3.0, Degeneration.RepetitionRate(["a", "a", "a"], n: 1), 12);
    }

    [Fact]
    public void SelfBleuIsTheMeanOfEachTextsBleuAgainstAllOthers()
    {
        string[][] texts =
        [
            "the cat sat on the mat".Split(' '),
            "the cat lay on the mat".Split(' '),
            "the the the dog barked".Split(' '),
            "it rained".Split(' '),
        ];

        Assert.Equal(texts.Select((text, i) => Slow(text, [.. texts.Where((_, j) => j != i)])).Average(), Degeneration.SelfBleu(texts), 12);
        Assert.Equal(1, Degeneration.SelfBleu([texts[0], texts[0], texts[0]]), 12);
        Assert.Equal(
            0,
            Degeneration.SelfBleu([
                ["a", "b"],
                ["c", "d"],
            ])
        );
        Assert.Equal(
            "metrics/empty",
            Assert
                .Throws<DfpoException>(() =>
                    Degeneration.SelfBleu([
                        ["a"],
                    ])
                )
                .Code
        );
    }

    // NLTK's sentence_bleu with method1, word for word.
    private static double Slow(string[] text, string[][] others)
    {
        var counts = BleuCounts.Of(text, others);
        return counts.Matches[0] == 0
            ? 0
            : counts.BrevityPenalty
                * Math.Exp(
                    counts
                        .Matches.Zip(counts.Totals)
                        .Average(pair => Math.Log((pair.First > 0 ? pair.First : 0.1) / Math.Max(1, pair.Second)))
                );
    }
}
