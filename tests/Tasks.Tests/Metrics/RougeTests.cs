using DfPO.Tasks.Metrics;
using static DfPO.Tasks.Tests.Metrics.MetricFixture;

namespace DfPO.Tasks.Tests.Metrics;

public sealed class RougeTests
{
    public static TheoryData<string, string> Variants =>
        new()
        {
            { "stemmed", "rouge1" },
            { "stemmed", "rouge2" },
            { "stemmed", "rougeL" },
            { "stemmed", "rougeLsum" },
            { "unstemmed", "rouge1" },
            { "unstemmed", "rouge2" },
            { "unstemmed", "rougeL" },
            { "unstemmed", "rougeLsum" },
        };

    [Theory]
    [MemberData(nameof(Variants))]
    [Trait("Category", "Fixtures")]
    public void ScoresEqualGoogles(string stemming, string type)
    {
        var fixture = Read();
        var rouge = new Rouge(stem: stemming == "stemmed");
        var expected = fixture
            .Root.GetProperty("rouge")
            .GetProperty(stemming)
            .GetProperty("per_item_p_r_f")
            .GetProperty(type)
            .EnumerateArray()
            .Select(Numbers)
            .ToArray();

        RougeScore[] scores = [.. fixture.Items.Select(item => Score(rouge, type, item.Generation, item.References[0]))];

        AssertEqual(expected.SelectMany(e => e), scores.SelectMany(score => new[] { score.Precision, score.Recall, score.F }));
    }

    [Theory]
    [InlineData("rouge1")]
    [InlineData("rouge2")]
    [InlineData("rougeL")]
    [Trait("Category", "Fixtures")]
    public void TheBestReferenceCountsWhereSeveralDo(string type)
    {
        var fixture = Read();
        var rouge = new Rouge();

        AssertEqual(
            Numbers(fixture.Root.GetProperty("rouge").GetProperty("max_over_refs_stemmed_f").GetProperty(type)),
            fixture.Items.Select(item => item.References.Max(reference => Score(rouge, type, item.Generation, reference).F))
        );
    }

    [Fact]
    public void LinesAreSentencesForLsumOnly()
    {
        var rouge = new Rouge(stem: false);
        const string Reference = "w1 w2 w3 w4 w5";
        const string Prediction = "w1 w2 w6 w7 w8\nw1 w3 w8 w9 w5";

        // Lin's own example: the union of "w1 w2" and "w1 w3 w5" has four of the five words.
        Assert.Equal(4 / 5.0, rouge.LSum(Prediction, Reference).Recall, 12);
        Assert.Equal(4 / 10.0, rouge.LSum(Prediction, Reference).Precision, 12);
        Assert.Equal(4 / 5.0, rouge.L(Prediction, Reference).Recall, 12);
        Assert.Equal(3 / 5.0, rouge.L("w1 w3 w8 w9 w5\nw1 w2 w6 w7 w8", Reference).Recall, 12);
    }

    [Fact]
    public void TextsWithoutWordsScoreNothing() =>
        Assert.Equal((0.0, 0.0, 0.0), (new Rouge().N("", "a", 1).F, new Rouge().L("!", "?").F, new Rouge().LSum("a", "").F));

    [Fact]
    [Trait("Category", "Fixtures")]
    public void CaptionRougeEqualsCocos()
    {
        var fixture = Read();

        AssertEqual(
            Numbers(fixture.Root.GetProperty("coco_caption").GetProperty("rouge_l").GetProperty("per_item")),
            fixture.Items.Select(item => CaptionRouge.Score(item.LowerWords, item.LowerReferenceWords))
        );
    }

    [Fact]
    [Trait("Category", "Vectors")]
    public void CaptionRougeOfACommonGenSystemEqualsCocos()
    {
        foreach (var (_, corpus, items) in CaptionVectors.Read())
        {
            double[] scores = [.. items.Select(item => CaptionRouge.Score(item.Hypothesis, item.References))];

            AssertEqual(items.Select(item => item.Expected.GetProperty("rougeL").GetDouble()), scores);
            Assert.Equal(corpus.GetProperty("ROUGE_L").GetDouble(), scores.Average(), 1e-9);
        }
    }

    private static RougeScore Score(Rouge rouge, string type, string prediction, string reference) =>
        type switch
        {
            "rouge1" => rouge.N(prediction, reference, 1),
            "rouge2" => rouge.N(prediction, reference, 2),
            "rougeL" => rouge.L(prediction, reference),
            _ => rouge.LSum(prediction, reference),
        };
}
