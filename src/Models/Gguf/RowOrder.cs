using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Gguf;

/// <summary>Rows of attention's projections in the two orders that they are stored in.</summary>
internal static class RowOrder
{
    /// <summary>
    /// Rows of each head from pairs beside each other, as llama.cpp rotates them, to first and second halves, as HF does.
    /// </summary>
    public static Tensor ToHalves(Tensor rows, long heads) => Regroup(rows, heads, rows.size(0) / heads / 2, 2);

    /// <summary>The other way round.</summary>
    public static Tensor ToPairs(Tensor rows, long heads) => Regroup(rows, heads, 2, rows.size(0) / heads / 2);

    /// <summary>Rows of a fused projection from all queries, all keys, all values to queries, keys and values head by head.</summary>
    public static Tensor ToHeads(Tensor rows, long heads) => Regroup(rows.unsqueeze(0), 1, 3, heads, rows.size(0) / heads / 3);

    /// <summary>The other way round.</summary>
    public static Tensor FromHeads(Tensor rows, long heads) => Regroup(rows.unsqueeze(0), 1, heads, 3, rows.size(0) / heads / 3);

    private static Tensor Regroup(Tensor rows, long outer, long first, long second)
    {
        using var grouped = rows.reshape([outer, first, second, .. rows.shape[1..]]);
        using var swapped = grouped.transpose(1, 2);
        return swapped.reshape(rows.shape);
    }

    private static Tensor Regroup(Tensor rows, long outer, long first, long second, long inner)
    {
        using var source = rows;
        using var grouped = source.reshape([outer, first, second, inner, .. source.shape[2..]]);
        using var swapped = grouped.transpose(1, 2);
        return swapped.reshape(source.shape[1..]);
    }
}
