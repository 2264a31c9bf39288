using DfPO.Host.Reports;

namespace DfPO.Host.Tests.Reporting;

public sealed class IntervalTests
{
    [Theory]
    [InlineData(1, 12.706)]
    [InlineData(4, 2.776)]
    [InlineData(30, 2.042)]
    [InlineData(31, 2.0395)]
    [InlineData(60, 2.0003)]
    [InlineData(120, 1.9799)]
    public void Quantiles_are_those_of_the_tables(int degrees, double expected) => Assert.Equal(expected, Interval.Quantile(degrees), 3e-4);

    [Fact]
    public void The_t_interval_is_the_textbook_s()
    {
        // Mean 3, standard deviation sqrt(2.5), standard error sqrt(0.5), quantile of 4 degrees 2.776.
        var interval = Interval.StudentT([1, 2, 3, 4, 5]);
        Assert.Equal(3, interval.Mean);
        Assert.Equal(3 - 2.776 * Math.Sqrt(0.5), interval.Low, 1e-12);
        Assert.Equal(3 + 2.776 * Math.Sqrt(0.5), interval.High, 1e-12);
    }

    [Fact]
    public void The_bootstrap_interval_of_two_values_is_known_by_counting()
    {
        // A resample's mean is 0, 0.5 or 1 with probabilities 1/4, 1/2, 1/4: the middle 95 % reach from 0 to 1.
        Assert.Equal(new Interval(0.5, 0, 1, 2), Interval.Bootstrap([0, 1]));
    }

    [Fact]
    public void The_bootstrap_of_many_values_comes_near_the_normal_interval()
    {
        double[] values = [.. Enumerable.Range(0, 200).Select(i => i % 2 == 0 ? 1.0 : 3.0)];
        var interval = Interval.Bootstrap(values);
        Assert.Equal(2 - 1.96 / Math.Sqrt(200), interval.Low, 0.02);
        Assert.Equal(2 + 1.96 / Math.Sqrt(200), interval.High, 0.02);
        Assert.Equal(interval, Interval.Bootstrap(values));
    }

    [Fact]
    public void One_value_has_no_interval() => Assert.Equal((new Interval(2, 2, 2, 1), new Interval(2, 2, 2, 1)), (Interval.StudentT([2]), Interval.Bootstrap([2])));
}
