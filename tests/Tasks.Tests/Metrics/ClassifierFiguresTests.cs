using DfPO.Tasks.Metrics;

namespace DfPO.Tasks.Tests.Metrics;

public sealed class ClassifierFiguresTests
{
    [Fact]
    public void Figures_of_five_texts_are_those_counted_by_hand()
    {
        // Two of confidence .9 of which one is right, two of .62 that are right, one of .7 among three classes that is right.
        float[][] probabilities = [[0.9f, 0.1f, 0], [0.1f, 0.9f, 0], [0.62f, 0.38f, 0], [0.38f, 0.62f, 0], [0.1f, 0.2f, 0.7f]];
        var figures = ClassifierFigures.Of(probabilities, [0, 0, 0, 1, 2]);
        Assert.Equal(0.8, figures.Accuracy.Estimate, 9);
        Assert.Equal(-(Math.Log(0.9) + Math.Log(0.1) + (2 * Math.Log(0.62)) + Math.Log(0.7)) / 5, figures.LogLoss, 1e-6);
        Assert.Equal(((2 * 0.4) + (2 * 0.38) + 0.3) / 5, figures.CalibrationError, 1e-6);
        Assert.Equal(5, figures.Bins.Sum(bin => bin.Count));
        var confident = figures.Bins.Single(bin => bin.Count == 2 && bin.Accuracy == 0.5);
        Assert.Equal(0.9, confident.Confidence, 1e-6);
        Assert.InRange(0.9, confident.Low - 1e-6, confident.High + 1e-6);
    }

    /// <summary>Newcombe (1998), table I, method 3, gives these of Wilson's interval: 81 of 263, 15 of 148, 0 of 20, 1 of 29.</summary>
    [Theory]
    [InlineData(81, 263, .2553, .3662)]
    [InlineData(15, 148, .0624, .1605)]
    [InlineData(0, 20, .0, .1611)]
    [InlineData(1, 29, .0061, .1718)]
    public void The_interval_of_a_share_is_wilsons(int hits, int count, double low, double high)
    {
        var share = Interval.Share(hits, count);
        Assert.Equal((low, high), (Math.Round(share.Low, 4), Math.Round(share.High, 4)));
    }
}
