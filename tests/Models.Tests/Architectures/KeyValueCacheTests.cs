using TorchSharp;
using static DfPO.Models.Tests.Support.TensorAssert;
using static TorchSharp.torch;

namespace DfPO.Models.Tests.Architectures;

/// <summary>The cache's windows: what a layer with one is given, and what it keeps.</summary>
public sealed class KeyValueCacheTests
{
    private const int Window = 5;
    private const int Tokens = 90;

    /// <summary>Sizes of pieces, and what is left of the tokens one by one.</summary>
    public static TheoryData<string> Pieces => ["", "20", "3 40 1 1 40", "90", "4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4"];

    [Theory]
    [MemberData(nameof(Pieces))]
    public void AWindowGivesItsLastTokensAndTheNewOnesInOrderAndKeepsNoMoreThanItNeeds(string pieces)
    {
        using var scope = NewDisposeScope();
        using var cache = new KeyValueCache(2, batch: 1, heads: 1, Tokens, headSize: 2, ScalarType.Float32, CPU, [Window, null]);
        var all = tensor(Enumerable.Range(0, 2 * Tokens).Select(i => (float)i).ToArray()).view(1, 1, Tokens, 2);
        var past = 0L;
        int[] first = [.. pieces.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse)];
        foreach (var time in first.Concat(Enumerable.Repeat(1, Tokens - first.Sum())))
        {
            var added = all.narrow(2, past, time);
            var seen = Math.Min(past, Window - 1);

            var (keys, values) = cache.Append(0, added, added.neg());
            var (full, _) = cache.Append(1, added, added);
            cache.Advance(time);

            Close(all.narrow(2, past - seen, seen + time), keys, 0);
            Close(all.narrow(2, past - seen, seen + time).neg(), values, 0);
            Close(all.narrow(2, 0, past + time), full, 0);
            past += time;
        }
        Assert.Equal(Tokens, cache.Keys(1).size(2));
        Assert.InRange(cache.Keys(0).size(2), Window, Window + 16);
    }

    [Fact]
    public void MoreThanTheCapacityIsRefusedByAWindowToo()
    {
        using var scope = NewDisposeScope();
        using var cache = new KeyValueCache(1, 1, 1, capacity: 6, headSize: 2, ScalarType.Float32, CPU, [Window]);
        cache.Append(0, zeros(1, 1, 4, 2), zeros(1, 1, 4, 2));
        cache.Advance(4);

        Assert.Contains("6", Assert.Throws<InvalidOperationException>(() => cache.Append(0, zeros(1, 1, 3, 2), zeros(1, 1, 3, 2))).Message);
    }
}
