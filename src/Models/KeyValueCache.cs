using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models;

/// <summary>Keys and values of every layer, preallocated and written in place: <c>[batch, heads, capacity, head size]</c> each.</summary>
public sealed class KeyValueCache : IDisposable
{
    private Tensor[] _keys;
    private Tensor[] _values;

    /// <summary>Allocates for <paramref name="layers"/> layers.</summary>
    public KeyValueCache(int layers, long batch, long heads, long capacity, long headSize, ScalarType dtype, Device device)
    {
        Capacity = capacity;
        Batch = batch;
        // zeros, not empty: masked slots take part in products with weight 0, and 0 * NaN is NaN.
        Tensor[] Allocate() => [.. Enumerable.Range(0, layers).Select(_ => zeros([batch, heads, capacity, headSize], dtype, device).DetachFromDisposeScope())];
        _keys = Allocate();
        _values = Allocate();
    }

    /// <summary>Most tokens that a row can hold.</summary>
    public long Capacity { get; }

    /// <summary>Rows.</summary>
    public long Batch { get; private set; }

    /// <summary>Tokens held by each row, padding included.</summary>
    public long Length { get; private set; }

    /// <summary>A layer's keys, <c>[batch, heads, capacity, head size]</c>; the cache's own.</summary>
    internal Tensor Keys(int layer) => _keys[layer];

    /// <summary>A layer's values, <c>[batch, heads, capacity, head size]</c>; the cache's own.</summary>
    internal Tensor Values(int layer) => _values[layer];

    /// <summary>Writes the keys and values <c>[batch, heads, time, head size]</c> of a layer behind the tokens held, and returns views of all of them.</summary>
    /// <exception cref="InvalidOperationException">The capacity would be exceeded.</exception>
    public (Tensor Keys, Tensor Values) Append(int layer, Tensor keys, Tensor values)
    {
        var time = keys.size(2);
        if (Length + time > Capacity)
            throw new InvalidOperationException($"The key-value cache holds {Length} of {Capacity} tokens; {time} more do not fit.");
        using (var slot = _keys[layer].narrow(2, Length, time))
            slot.copy_(keys).Dispose();
        using (var slot = _values[layer].narrow(2, Length, time))
            slot.copy_(values).Dispose();
        return (_keys[layer].narrow(2, 0, Length + time), _values[layer].narrow(2, 0, Length + time));
    }

    /// <summary>Counts tokens that every layer has appended.</summary>
    public void Advance(long time) => Length += time;

    /// <summary>Keeps the rows whose indices <c>[kept]</c> (int64) are given, in that order: finished sequences leave the batch.</summary>
    public void Select(Tensor rows)
    {
        _keys = Select(_keys, rows);
        _values = Select(_values, rows);
        Batch = rows.size(0);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var tensor in _keys.Concat(_values))
            tensor.Dispose();
    }

    private static Tensor[] Select(Tensor[] tensors, Tensor rows)
    {
        var selected = new Tensor[tensors.Length];
        for (var layer = 0; layer < tensors.Length; layer++)
        {
            selected[layer] = tensors[layer].index_select(0, rows).DetachFromDisposeScope();
            tensors[layer].Dispose();
        }
        return selected;
    }
}
