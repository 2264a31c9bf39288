using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models;

/// <summary>Keys and values of an encoder's output for every decoder layer's cross-attention, and the mask of its padding.</summary>
/// <param name="keys">A layer's <c>[batch, heads, time, head size]</c>.</param>
/// <param name="values">Of the same shape.</param>
/// <param name="mask">Additive, <c>[batch, 1, 1, time]</c>; null when nothing is padded.</param>
/// <remarks>The tensors belong to the dispose scope that they were made in, until <see cref="Own"/>.</remarks>
public sealed class EncoderMemory(Tensor[] keys, Tensor[] values, Tensor? mask) : IDisposable
{
    /// <summary>Additive mask, <c>[batch, 1, 1, time]</c>; null when nothing is padded.</summary>
    public Tensor? Mask { get; } = mask;

    /// <summary>Keys of a layer.</summary>
    public Tensor Keys(int layer) => keys[layer];

    /// <summary>Values of a layer.</summary>
    public Tensor Values(int layer) => values[layer];

    /// <summary>Takes the tensors out of their dispose scope: from now on they live until this is disposed.</summary>
    public EncoderMemory Own()
    {
        foreach (var tensor in Tensors())
            tensor.DetachFromDisposeScope();
        return this;
    }

    /// <summary>The same for chosen rows <c>[rows]</c>, int64, in that order; owned as after <see cref="Own"/>.</summary>
    public EncoderMemory Select(Tensor rows)
    {
        Tensor[] Of(Tensor[] tensors) => Array.ConvertAll(tensors, tensor => tensor.index_select(0, rows));
        return new EncoderMemory(Of(keys), Of(values), Mask?.index_select(0, rows)).Own();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var tensor in Tensors())
            tensor.Dispose();
    }

    private IEnumerable<Tensor> Tensors() => Mask is null ? keys.Concat(values) : keys.Concat(values).Append(Mask);
}
