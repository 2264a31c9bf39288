using DfPO.Actors.Configuration;
using DfPO.Actors.Weights;
using DfPO.Models.Gpt2;
using TorchSharp;

namespace DfPO.Actors.Tests;

public sealed class KeptWeightsTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    public void Weights_stay_available_while_units_with_them_may_be_on_their_way_and_one_version_longer(int staleness)
    {
        using var store = new WeightsStore(new WeightsStoreOptions { Kept = new AsyncOptions { MaxStaleness = staleness }.WeightVersions });
        using var model = new Gpt2LMHeadModel(
            new Gpt2Config
            {
                VocabSize = 10,
                NPositions = 4,
                NEmbd = 4,
                NLayer = 1,
                NHead = 1,
            }
        );
        var published = Enumerable
            .Range(0, 6)
            .Select(version =>
            {
                model.Initialise((ulong)version);
                return store.Publish(model, version, torch.ScalarType.Float32).Digest;
            })
            .ToArray();
        Assert.Equal(staleness + 2, published.Count(digest => Holds(store, digest)));
        Assert.All(published.TakeLast(staleness + 2), digest => Assert.True(Holds(store, digest)));
    }

    [Fact]
    public void Weights_stay_available_as_long_as_they_mask_any_that_are_kept()
    {
        using var store = new WeightsStore(new WeightsStoreOptions { Kept = 2 });
        using var model = new Gpt2LMHeadModel(
            new Gpt2Config
            {
                VocabSize = 10,
                NPositions = 4,
                NEmbd = 4,
                NLayer = 1,
                NHead = 1,
            }
        );
        var published = new List<WeightsRef>();
        // Refreshed after every third version: 0 0 0 3 3 3 6 6, the first one published as the mask, then as the policy.
        for (var version = 0; version < 8; version++)
        {
            model.Initialise((ulong)version);
            var mask = version % 3 == 0 ? store.Publish(model, version, torch.ScalarType.Float32) : published[^1].Mask!;
            published.Add(store.Publish(model, version, torch.ScalarType.Float32, mask: mask));
            Assert.Equal(version / 3 * 3, published[^1].Mask!.Version);
            int[] needed = [version, Math.Max(0, version - 1), version / 3 * 3, Math.Max(0, version - 1) / 3 * 3];
            Assert.Equal(
                needed.Distinct().Order(),
                published.Where(weights => Holds(store, weights.Digest)).Select(weights => weights.Version)
            );
        }
    }

    private static bool Holds(WeightsStore store, string digest)
    {
        using var lease = store.Open(digest);
        return lease is not null;
    }
}
