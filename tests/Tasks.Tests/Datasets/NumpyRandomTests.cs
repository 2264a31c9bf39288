using DfPO.Tasks.Datasets;

namespace DfPO.Tasks.Tests.Datasets;

public sealed class NumpyRandomTests
{
    [Fact]
    public void NumbersAreNumpys()
    {
        var random = new NumpyRandom(42);

        // numpy.random.default_rng(42).random(3)
        Assert.Equal(
            [0.7739560485559633, 0.4388784397520523, 0.8585979199113825],
            [random.NextDouble(), random.NextDouble(), random.NextDouble()]
        );
    }

    [Fact]
    public void PermutationsAreNumpys() =>
        // numpy.random.default_rng(42).permutation(10)
        Assert.Equal([5, 6, 0, 7, 3, 2, 4, 9, 1, 8], NumpyRandom.Permutation(10, 42));

    [Fact]
    public void ThePublishedFirstRowsOfTheShuffledReviewsHaveTheirLabels()
    {
        // load_dataset("imdb")["train"].shuffle(seed=42).select(range(3)) shows the labels 1, 1, 0 in Hugging Face's course; the negative
        // reviews come first there.
        Assert.Equal([true, true, false], NumpyRandom.Permutation(25_000, 42)[..3].Select(row => row >= 12_500));
    }

    [Theory]
    [InlineData(0, 0UL)]
    [InlineData(1, 1UL)]
    [InlineData(1000, ulong.MaxValue)]
    public void EveryIndexComesOnce(int count, ulong seed) =>
        Assert.Equal(Enumerable.Range(0, count), NumpyRandom.Permutation(count, seed).Order());
}
