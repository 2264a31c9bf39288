using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Layers;

/// <summary>Attention of queries <c>[batch, heads, time, size]</c> over keys and values <c>[batch, key heads, total, size]</c>; key heads divide heads.</summary>
internal static class Attention
{
    /// <param name="query">The queries.</param>
    /// <param name="key">The keys.</param>
    /// <param name="value">The values.</param>
    /// <param name="mask">Added to the scores, broadcastable to <c>[batch, heads, time, total]</c>; null when every query may see what <paramref name="causal"/> lets it.</param>
    /// <param name="scale">Factor of the scores.</param>
    /// <param name="causal">Without a mask: a query sees only keys up to its own place; as many queries as keys, or one query that sees all.</param>
    /// <returns><c>[batch, time, heads * size]</c>.</returns>
    public static Tensor Run(Tensor query, Tensor key, Tensor value, Tensor? mask, double scale, bool causal)
    {
        using var scope = NewDisposeScope();
        long batch = query.size(0), heads = query.size(1), time = query.size(2), size = query.size(3);
        var groups = heads / key.size(1);
        var attended = time == 1 && key.size(2) > 1
            ? One(query.view(batch, -1, groups, size), key, value, mask, scale).view(batch, heads, 1, size)
            : Many(query, Repeat(key, groups), Repeat(value, groups), mask, scale, causal);
        return attended.transpose(1, 2).reshape(batch, time, heads * size).MoveToOuterDisposeScope();
    }

    private static Tensor Many(Tensor query, Tensor key, Tensor value, Tensor? mask, double scale, bool causal)
    {
        // The kernel divides by sqrt(head size) itself; what the configuration asks beyond that goes into the query.
        var extra = scale * Math.Sqrt(query.size(3));
        var scaled = Math.Abs(extra - 1) < 1e-12 ? query : query * extra;
        return nn.functional.scaled_dot_product_attention(scaled, key, value, mask, 0.0, causal && mask is null);
    }

    /// <summary>One query a row: plain products beat the CPU's fused kernel several times over there. Heads that share keys stand in the place of time.</summary>
    private static Tensor One(Tensor query, Tensor key, Tensor value, Tensor? mask, double scale)
    {
        var scores = matmul(query * scale, key.transpose(-2, -1));
        if (mask is not null)
            scores.add_(mask);
        return matmul(nn.functional.softmax(scores, -1), value);
    }

    private static Tensor Repeat(Tensor tensor, long groups) => groups == 1
        ? tensor
        : tensor.unsqueeze(2).expand(-1, -1, groups, -1, -1).flatten(1, 2);
}
