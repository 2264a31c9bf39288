using DfPO.Tasks.Metrics;
using static DfPO.Tasks.Tests.Metrics.MetricFixture;

namespace DfPO.Tasks.Tests.Metrics;

public sealed class CiderDTests
{
    [Fact]
    [Trait("Category", "Fixtures")]
    public void ScoresEqualRl4lms()
    {
        var fixture = Read();
        var expected = fixture.Root.GetProperty("cider_rl4lms");
        var scores = CiderD.Scores([.. fixture.Items.Select(item => (item.Words, (IReadOnlyList<string[]>)item.ReferenceWords))]);

        AssertEqual(Numbers(expected.GetProperty("per_item")), scores);
        Assert.Equal(expected.GetProperty("corpus").GetDouble(), scores.Average(), 1e-9);
        AssertEqual(
            Numbers(expected.GetProperty("per_item_lower")),
            CiderD.Scores([.. fixture.Items.Select(item => (item.LowerWords, (IReadOnlyList<string[]>)item.LowerReferenceWords))])
        );
    }

    [Fact]
    [Trait("Category", "Vectors")]
    public void ScoresOfACommonGenSystemEqualCocos()
    {
        foreach (var (_, corpus, items) in CaptionVectors.Read())
        {
            var scores = CiderD.Scores([.. items.Select(item => (item.Hypothesis, (IReadOnlyList<string[]>)item.References))]);

            AssertEqual(items.Select(item => item.Expected.GetProperty("cider").GetDouble()), scores, 1e-8);
            Assert.Equal(corpus.GetProperty("CIDEr").GetDouble(), scores.Average(), 1e-8);
        }
    }

    [Fact]
    public void ASingleItemScoresNothingBecauseEveryWordIsEverywhere() =>
        Assert.Equal(
            [0.0],
            CiderD.Scores([
                (
                    ["a", "b"],
                    [
                        ["a", "b"],
                    ]
                ),
            ])
        );
}
