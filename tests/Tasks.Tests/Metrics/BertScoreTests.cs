using DfPO.Tasks.Metrics;

namespace DfPO.Tasks.Tests.Metrics;

public sealed class BertScoreTests
{
    [Fact]
    public void EachTokenCountsWithItsBestCosine()
    {
        var hypothesis = new TokenStates([2, 0, 0, 3, 1, 1], 2, [false, false, false]);
        var reference = new TokenStates([5, 0, 3, 4], 2, [false, false]);

        var (precision, recall, f) = BertScore.Of(hypothesis, reference);

        // (1,0): 1 with (1,0). (0,1): .8 with (.6,.8). (1,1)/sqrt 2: 1.4/sqrt 2 with (.6,.8).
        Assert.Equal((1 + 0.8 + 1.4 / Math.Sqrt(2)) / 3, precision, 1e-6);
        Assert.Equal((1 + 1.4 / Math.Sqrt(2)) / 2, recall, 1e-6);
        Assert.Equal(2 * precision * recall / (precision + recall), f, 12);
    }

    [Fact]
    public void SpecialTokensAreMatchedButDoNotCount()
    {
        var hypothesis = new TokenStates([0, 1, 1, 0], 2, [true, false]);
        var reference = new TokenStates([1, 0, 0, 1], 2, [true, false]);

        // The hypothesis's own token meets the reference's special one, and the other way round.
        Assert.Equal((1.0, 1.0, 1.0), BertScore.Of(hypothesis, reference));
        Assert.Equal((0.0, 0.0, 0.0), BertScore.Of(hypothesis with { IsSpecial = [true, true] }, reference));
    }

    [Fact]
    public void StatesThatDoNotFitAreRefused()
    {
        var states = new TokenStates([1, 0], 2, [false]);

        Assert.Equal("metrics/shape", CodeOf(() => BertScore.Of(states, new TokenStates([1, 0, 0], 3, [false])), "2 and 3"));
        Assert.Equal("metrics/shape", CodeOf(() => BertScore.Of(new TokenStates([1, 0, 1], 2, [false]), states), "3 values"));
    }
}
