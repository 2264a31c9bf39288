using DfPO.Actors.Experiments;
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
        using var model = new Gpt2LMHeadModel(new Gpt2Config { VocabSize = 10, NPositions = 4, NEmbd = 4, NLayer = 1, NHead = 1 });
        var published = Enumerable.Range(0, 6).Select(version =>
        {
            model.Initialise((ulong)version);
            return store.Publish(model, version, torch.ScalarType.Float32).Digest;
        }).ToArray();
        Assert.Equal(staleness + 2, published.Count(digest => Holds(store, digest)));
        Assert.All(published.TakeLast(staleness + 2), digest => Assert.True(Holds(store, digest)));
    }

    private static bool Holds(WeightsStore store, string digest)
    {
        using var lease = store.Open(digest);
        return lease is not null;
    }
}
