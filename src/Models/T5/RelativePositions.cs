using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.T5;

/// <summary>T5's relative positions: near distances have a bucket each, farther ones share buckets of growing width.</summary>
/// <remarks>Source: Raffel et al. 2020, in the float32 arithmetic of HF's <c>T5Attention</c>.</remarks>
public static class RelativePositions
{
    /// <summary>The bucket of a key's place minus a query's.</summary>
    /// <param name="relative">Key position - query position.</param>
    /// <param name="bidirectional">Whether keys after the query have buckets of their own (encoder), or all share bucket 0
    /// (decoder).</param>
    /// <param name="buckets">Buckets in all.</param>
    /// <param name="maxDistance">Distance from which on all share the last bucket.</param>
    /// <returns>0 to <paramref name="buckets"/> - 1.</returns>
    public static int Bucket(int relative, bool bidirectional, int buckets, int maxDistance)
    {
        var first = 0;
        int distance;
        if (bidirectional)
        {
            buckets /= 2;
            first = relative > 0 ? buckets : 0;
            distance = Math.Abs(relative);
        }
        else
            distance = Math.Max(-relative, 0);
        var exact = buckets / 2;
        if (distance < exact)
            return first + distance;
        var shared = MathF.Log(distance / (float)exact) / (float)Math.Log((double)maxDistance / exact) * (buckets - exact);
        return first + Math.Min(exact + (int)shared, buckets - 1);
    }

    /// <summary>
    /// Biases of attention scores, <c>[1, heads, queries, keys]</c>; query i stands at place <paramref name="past"/> + i, key j at place j.
    /// </summary>
    /// <param name="weight">Biases by bucket, <c>[buckets, heads]</c>.</param>
    /// <param name="bidirectional">As for <see cref="Bucket"/>.</param>
    /// <param name="maxDistance">As for <see cref="Bucket"/>.</param>
    /// <param name="queries">Number of queries.</param>
    /// <param name="keys">Number of keys.</param>
    /// <param name="past">Place of the first query.</param>
    public static Tensor Bias(Tensor weight, bool bidirectional, int maxDistance, long queries, long keys, long past = 0)
    {
        using var scope = NewDisposeScope();
        // One bias a diagonal; each query's row is a window on them, the last query's the first.
        var diagonals = new long[queries + keys - 1];
        for (var d = 0; d < diagonals.Length; d++)
            diagonals[d] = Bucket((int)(d - (queries - 1) - past), bidirectional, (int)weight.size(0), maxDistance);
        var biases = weight.index_select(0, tensor(diagonals, device: weight.device)).t();
        return biases.unfold(1, keys, 1).flip(1).unsqueeze(0).MoveToOuterDisposeScope();
    }
}
