using DfPO.Tasks.Metrics;

namespace DfPO.Tasks.Tests.Metrics;

public sealed class PairedTestTests
{
    [Theory]
    // All of one sign: only the two ways that keep or turn all of them are as far from 0.
    [InlineData(new[] { 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8 }, 2 / 256.0)]
    [InlineData(new[] { -0.1, -0.2, -0.3 }, 2 / 8.0)]
    // +1 +2 -3 = 0: every way is as far.
    [InlineData(new[] { 1.0, 2.0, -3.0 }, 1.0)]
    // 3 + 2 - 1 = 4 of sums +-6, +-4, +-2, +-0: those at least 4 are 6, 4, -4, -6.
    [InlineData(new[] { 3.0, 2.0, -1.0 }, 4 / 8.0)]
    [InlineData(new[] { 0.0 }, 1.0)]
    public void The_sign_flip_test_counts_the_ways_that_are_as_far_from_nothing(double[] differences, double expected) =>
        Assert.Equal(expected, PairedTest.SignFlip(differences));

    [Fact]
    public void Holm_multiplies_the_smallest_most_and_never_lets_a_larger_one_be_smaller() =>
        Assert.Equal([0.06, 0.03, 0.06, 0.9], PairedTest.Holm([0.03, 0.0075, 0.02, 0.9]).Select(p => Math.Round(p, 12)));

    [Fact]
    public void Too_few_and_too_many_pairs_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => PairedTest.SignFlip([]));
        Assert.Throws<ArgumentOutOfRangeException>(() => PairedTest.SignFlip(new double[21]));
    }
}
