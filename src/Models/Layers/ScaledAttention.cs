using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Layers;

/// <summary>
/// Attention of queries <c>[batch, heads, time, size]</c> over keys and values <c>[batch, key heads, total, size]</c>; key heads divide
/// heads.
/// </summary>
/// <param name="scale">Factor of the scores.</param>
/// <param name="size">Size of a head.</param>
/// <param name="precision">The model's switches.</param>
/// <param name="cap">Bound of the scores, by a hyperbolic tangent before the mask; null for none.</param>
internal sealed class ScaledAttention(double scale, long size, ComputePrecision precision, double? cap = null)
{
    private readonly Scalar? _cap = cap is { } bound ? Arithmetic.Kept(bound) : null;
    private readonly Scalar? _withinCap = cap is { } within ? Arithmetic.Kept(scale / within) : null;

    private readonly Scalar? _scale = FactorOf(scale);

    // The fused kernel divides by sqrt(head size) itself; what the configuration asks beyond that goes into the query.
    private readonly Scalar? _beyondKernel = FactorOf(scale * Math.Sqrt(size));

    /// <summary>Factor of the scores.</summary>
    public double Scale => scale;

    /// <summary>Bound of the scores; null for none.</summary>
    public double? Cap => cap;

    /// <param name="query">The queries.</param>
    /// <param name="key">The keys.</param>
    /// <param name="value">The values.</param>
    /// <param name="mask">Added to the scores, broadcastable to <c>[batch, heads, time, total]</c>; null when every query may see what
    /// <paramref name="causal"/> lets it.</param>
    /// <param name="causal">Without a mask: a query sees only keys up to its own place; as many queries as keys, or one query that sees
    /// all.</param>
    /// <returns><c>[batch, time, heads * size]</c>.</returns>
    public Tensor Run(Tensor query, Tensor key, Tensor value, Tensor? mask, bool causal)
    {
        using var scope = NewDisposeScope();
        long batch = query.size(0),
            heads = query.size(1),
            time = query.size(2);
        var groups = heads / key.size(1);
        // One query a row: plain products beat the CPU's fused kernel several times over there.
        var plain = _cap is not null || precision.PlainAttention || (time == 1 && key.size(2) > 1);
        if (plain && mask is null && causal && time > 1)
            mask = CausalMask.Penalty(CausalMask.Triangle(0, time, query.device), query.dtype).view(1, 1, time, time);
        // Without a mask the fused kernel leaves half of the scores out, so there heads stay heads, and those of a group read one view of
        // their keys.
        var attended =
            plain || mask is not null || groups == 1
                ? OfGroups(query.reshape(batch, -1, groups * time, size), key, value, Folded(mask, groups), plain, causal)
                : nn.functional.scaled_dot_product_attention(
                    Times(query, _beyondKernel).reshape(-1, groups, time, size),
                    Shared(key, groups),
                    Shared(value, groups),
                    null,
                    0.0,
                    causal
                );
        return attended.reshape(batch, heads, time, size).transpose(1, 2).reshape(batch, time, heads * size).MoveToOuterDisposeScope();
    }

    /// <summary>Heads that share keys stand one after the other in the place of time, so that no key is copied.</summary>
    private Tensor OfGroups(Tensor query, Tensor key, Tensor value, Tensor? mask, bool plain, bool causal)
    {
        if (!plain)
            return nn.functional.scaled_dot_product_attention(Times(query, _beyondKernel), key, value, mask, 0.0, causal && mask is null);
        var scores = _cap is null
            ? matmul(Times(query, _scale), key.transpose(-2, -1))
            : matmul(query, key.transpose(-2, -1)).mul(_withinCap!).tanh().mul(_cap);
        if (mask is not null)
            scores.add_(mask, Arithmetic.One);
        return matmul(nn.functional.softmax(scores, -1), value);
    }

    private static Tensor? Folded(Tensor? mask, long groups) =>
        mask is null || groups == 1 || mask.size(2) == 1 ? mask : mask.repeat(1, 1, groups, 1);

    private static Scalar? FactorOf(double factor) => Math.Abs(factor - 1) < 1e-12 ? null : Arithmetic.Kept(factor);

    private static Tensor Times(Tensor tensor, Scalar? factor) => factor is null ? tensor : tensor.mul(factor);

    /// <summary>
    /// <c>[batch * key heads, groups, total, size]</c>: a step of zero from head to head, so that nothing is copied for a group.
    /// </summary>
    private static Tensor Shared(Tensor tensor, long groups) =>
        tensor.reshape(-1, 1, tensor.size(2), tensor.size(3)).expand(-1, groups, -1, -1);
}
