namespace DfPO.Models.Tests;

public sealed class CounterRandomTests
{
    [Fact]
    public void TheReferenceGeneratorGivesItsPublishedNumbers()
    {
        var state = 1234567ul;

        Assert.Equal(
            [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821],
            Enumerable.Range(0, 5).Select(_ => SplitMix64(ref state))
        );
    }

    [Theory]
    [InlineData(0ul)]
    [InlineData(1ul)]
    [InlineData(1234567ul)]
    [InlineData(ulong.MaxValue)]
    public void ASeedsNumbersAreTheSplitMix64StreamFromItsMixedState(ulong seed)
    {
        var state = seed;
        state = SplitMix64(ref state);
        SplitMix64(ref state);

        for (var counter = 0ul; counter < 1000; counter++)
            Assert.Equal(SplitMix64(ref state), CounterRandom.UInt64(seed, counter));
    }

    [Fact]
    public void NumbersAreTheSameOnEveryMachine()
    {
        Assert.Equal(12935080325729570654ul, CounterRandom.UInt64(0, 0));
        Assert.Equal(2054659106654809599ul, CounterRandom.UInt64(42, 7));
        Assert.Equal(6755974106381971767ul, CounterRandom.UInt64(ulong.MaxValue, ulong.MaxValue));
        Assert.Equal([0, 2, 9, 8, 5, 6, 4, 3, 7, 1], CounterRandom.Permutation(10, 5));
    }

    [Fact]
    public void UniformsFillTheUnitIntervalEvenly()
    {
        const int Draws = 100_000,
            Bins = 100;
        var counts = new int[Bins];
        var (sum, lag) = (0.0, 0.0);
        for (var counter = 0ul; counter < Draws; counter++)
        {
            var uniform = CounterRandom.Uniform(9, counter);
            Assert.InRange(uniform, 0, 1 - 1.0 / (1L << 53));
            counts[(int)(uniform * Bins)]++;
            sum += uniform;
            lag += (uniform - 0.5) * (CounterRandom.Uniform(9, counter + 1) - 0.5);
        }

        // 99 degrees of freedom: mean 99, standard deviation 14; five of them on either side.
        var expected = Draws / (double)Bins;
        Assert.InRange(counts.Sum(count => (count - expected) * (count - expected) / expected), 99 - 70, 99 + 70);
        Assert.Equal(0.5, sum / Draws, 5 / Math.Sqrt(12.0 * Draws));
        Assert.Equal(0, lag / Draws, 5 / (12 * Math.Sqrt(Draws)));
    }

    [Fact]
    public void NeighbouringSeedsAreUnrelated()
    {
        var differing = Enumerable
            .Range(0, 1000)
            .Average(seed => (double)ulong.PopCount(CounterRandom.UInt64((ulong)seed, 3) ^ CounterRandom.UInt64((ulong)seed + 1, 3)));

        // 32 of 64 bits, standard deviation 4 / sqrt(1000).
        Assert.Equal(32, differing, 0.7);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(1000)]
    public void APermutationHoldsEveryIndexOnce(int count) =>
        Assert.Equal(Enumerable.Range(0, count), CounterRandom.Permutation(count, 3).Order());

    [Fact]
    public void EveryOrderOfThreeIsEquallyLikely()
    {
        const int Seeds = 12_000;

        var orders = Enumerable
            .Range(0, Seeds)
            .Select(seed => string.Join("", CounterRandom.Permutation(3, (ulong)seed)))
            .CountBy(order => order)
            .ToArray();

        Assert.Equal(6, orders.Length);
        Assert.All(orders, order => Assert.InRange(order.Value, 2000 - 205, 2000 + 205)); // five standard deviations
    }

    [Fact]
    public void AnEpochsOrderIsAPureFunctionOfSeedAndDraw()
    {
        EpochOrder inOrder = new(7, 3),
            atRandom = new(7, 3);
        var draws = Enumerable.Range(0, 70).Select(draw => inOrder[(ulong)draw]).ToArray();

        foreach (var epoch in draws.Chunk(7))
            Assert.Equal(Enumerable.Range(0, 7), epoch.Order());
        foreach (var draw in CounterRandom.Permutation(70, 1))
            Assert.Equal(draws[draw], atRandom[(ulong)draw]);
        Assert.NotEqual(draws[..7], draws[7..14]);
    }

    /// <summary>Vigna's SplitMix64, with its state.</summary>
    private static ulong SplitMix64(ref ulong state)
    {
        var z = state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
