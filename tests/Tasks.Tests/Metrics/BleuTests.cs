using System.Text.Json;
using DfPO.Tasks.Metrics;
using static DfPO.Tasks.Tests.Metrics.MetricFixture;

namespace DfPO.Tasks.Tests.Metrics;

public sealed class BleuTests
{
    [Fact]
    [Trait("Category", "Fixtures")]
    public void CorpusScoresEqualRl4lms()
    {
        var fixture = Read();
        var expected = fixture.Root.GetProperty("bleu_nmt");

        void Check(string name, Func<Item, string[]> words, Func<Item, string[][]> references, bool smooth)
        {
            var counts = fixture
                .Items.Select(item => BleuCounts.Of(words(item), references(item), BleuCounts.Length.Shortest))
                .Aggregate((a, b) => a + b);
            Assert.Equal(expected.GetProperty(name).GetProperty("bleu").GetDouble(), Bleu.Nmt(counts, smooth), 1e-12);
            Assert.Equal(expected.GetProperty(name).GetProperty("brevity_penalty").GetDouble(), counts.BrevityPenalty, 1e-12);
            Assert.Equal(expected.GetProperty(name).GetProperty("reference_length").GetInt32(), counts.ReferenceLength);
        }

        Check("corpus", item => item.Words, item => item.ReferenceWords, smooth: false);
        Check("corpus_smooth", item => item.Words, item => item.ReferenceWords, smooth: true);
        Check("corpus_lower", item => item.LowerWords, item => item.LowerReferenceWords, smooth: false);
        AssertEqual(
            Numbers(expected.GetProperty("per_item_smooth")),
            fixture.Items.Select(item => Bleu.Nmt(BleuCounts.Of(item.Words, item.ReferenceWords, BleuCounts.Length.Shortest), smooth: true))
        );
    }

    [Fact]
    [Trait("Category", "Fixtures")]
    public void CaptionScoresEqualCocos()
    {
        var fixture = Read();
        var expected = fixture.Root.GetProperty("coco_caption").GetProperty("bleu_1_2_3_4");
        BleuCounts[] counts = [.. fixture.Items.Select(item => BleuCounts.Of(item.LowerWords, item.LowerReferenceWords))];

        AssertEqual(Numbers(expected.GetProperty("corpus")), Bleu.Coco(counts.Aggregate((a, b) => a + b)));
        foreach (var (n, values) in expected.GetProperty("per_item").EnumerateArray().Index())
            AssertEqual(Numbers(values), counts.Select(count => Bleu.Coco(count)[n]));
    }

    [Fact]
    [Trait("Category", "Vectors")]
    public void CaptionScoresOfACommonGenSystemEqualCocos()
    {
        foreach (var (_, corpus, items) in CaptionVectors.Read())
        {
            BleuCounts[] counts = [.. items.Select(item => BleuCounts.Of(item.Hypothesis, item.References))];

            AssertEqual(items.SelectMany(item => Numbers(item.Expected.GetProperty("bleu"))), counts.SelectMany(Bleu.Coco));
            AssertEqual(Numbers(corpus.GetProperty("Bleu")), Bleu.Coco(counts.Aggregate((a, b) => a + b)));
        }
    }

    [Theory]
    [InlineData("first_ref_13a", SacreBleu.Tokenizer.Mteval13a, false, true)]
    [InlineData("first_ref_intl", SacreBleu.Tokenizer.International, false, true)]
    [InlineData("first_ref_lowercase", SacreBleu.Tokenizer.Mteval13a, true, true)]
    [InlineData("multi_ref_13a", SacreBleu.Tokenizer.Mteval13a, false, false)]
    [Trait("Category", "Fixtures")]
    public void CorpusScoresEqualSacreBleu(string name, SacreBleu.Tokenizer tokenizer, bool lowercase, bool firstOnly)
    {
        var fixture = Read();
        var expected = fixture.Root.GetProperty("sacrebleu").GetProperty(name);
        var bleu = new SacreBleu(tokenizer, lowercase);

        var counts = fixture
            .Items.Select(item => bleu.Count(item.Generation, firstOnly ? [item.References[0]] : item.References))
            .Aggregate((a, b) => a + b);

        Assert.Equal(Numbers(expected.GetProperty("counts")), counts.Matches.Select(c => (double)c));
        Assert.Equal(Numbers(expected.GetProperty("totals")), counts.Totals.Select(c => (double)c));
        Assert.Equal(expected.GetProperty("ref_len").GetInt32(), counts.ReferenceLength);
        Assert.Equal(expected.GetProperty("score").GetDouble(), SacreBleu.Corpus(counts), 1e-9);
    }

    [Fact]
    [Trait("Category", "Fixtures")]
    public void SentenceScoresEqualSacreBleu()
    {
        var fixture = Read();
        var bleu = new SacreBleu();

        AssertEqual(
            Numbers(fixture.Root.GetProperty("sacrebleu").GetProperty("sentence_first_ref_13a")),
            fixture.Items.Select(item => SacreBleu.Sentence(bleu.Count(item.Generation, [item.References[0]])))
        );
    }

    [Fact]
    public void NothingGeneratedScoresNothing()
    {
        var counts = BleuCounts.Of(
            [],
            [
                ["a", "b"],
            ]
        );

        Assert.Equal((0.0, 0.0, 0.0, 0.0), (Bleu.Nmt(counts), Bleu.Coco(counts)[3], SacreBleu.Corpus(counts), SacreBleu.Sentence(counts)));
    }

    [Fact]
    public void OfTwoEquallyNearLengthsTheShorterCounts() =>
        Assert.Equal(
            3,
            BleuCounts
                .Of(
                    ["a", "b", "c", "d"],
                    [
                        ["a", "b", "c", "d", "e"],
                        ["a", "b", "c"],
                    ]
                )
                .ReferenceLength
        );
}
