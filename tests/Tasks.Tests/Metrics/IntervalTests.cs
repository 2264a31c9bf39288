using DfPO.Tasks.Metrics;

namespace DfPO.Tasks.Tests.Metrics;

public sealed class IntervalTests
{
    [Theory]
    [InlineData(1, 12.706)]
    [InlineData(4, 2.776)]
    [InlineData(30, 2.042)]
    [InlineData(31, 2.0395)]
    [InlineData(60, 2.0003)]
    [InlineData(120, 1.9799)]
    public void QuantilesAreThoseOfTheTables(int degrees, double expected) => Assert.Equal(expected, StudentT.Quantile(degrees), 3e-4);

    [Fact]
    public void TheTIntervalIsTheTextbooks()
    {
        // Mean 3, standard deviation sqrt(2.5), standard error sqrt(0.5), quantile of 4 degrees 2.776.
        var interval = StudentT.Mean([1, 2, 3, 4, 5]);
        Assert.Equal(3, interval.Estimate);
        Assert.Equal(3 - 2.776 * Math.Sqrt(0.5), interval.Low, 1e-12);
        Assert.Equal(3 + 2.776 * Math.Sqrt(0.5), interval.High, 1e-12);
    }

    [Fact]
    public void TheBootstrapIntervalOfTwoValuesIsKnownByCounting()
    {
        // A resample's mean is 0, 0.5 or 1 with probabilities 1/4, 1/2, 1/4: the middle 95 % reach from 0 to 1.
        var interval = Bootstrap.Mean([0, 1], resamples: 10_000);
        Assert.Equal((0.5, 0.0, 1.0), (interval.Estimate, Math.Round(interval.Low, 1), Math.Round(interval.High, 1)));
    }

    [Fact]
    public void OneValueHasNoInterval() => Assert.Equal((Interval.Of(2), Interval.Of(2)), (StudentT.Mean([2]), Bootstrap.Mean([2])));

    [Fact]
    public void SeveralFiguresComeFromTheSameResamplesAndOneWithoutAValueHasNoInterval()
    {
        var values = new double[] { 1, 2, 4, 8 };
        var intervals = Bootstrap.Of([4, 1], items =>
            [items[0].Average(i => values[i]), items[0].Average(i => -values[i]), double.NaN, items[1].Length]
        );
        Assert.Equal((intervals[0].Low, intervals[0].High), (-intervals[1].High, -intervals[1].Low));
        Assert.Equal(Bootstrap.Mean(values), intervals[0]);
        Assert.True(double.IsNaN(intervals[2].Low));
        Assert.Equal(Interval.Of(1), intervals[3]);
    }
}
