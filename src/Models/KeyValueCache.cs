using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models;

/// <summary>
/// Keys and values of every layer, preallocated and written in place: <c>[batch, heads, slots, head size]</c> each. A layer has a slot for
/// every token, or, with a window, for the tokens of the window and some more: they move to the front when the slots are used up.
/// </summary>
public sealed class KeyValueCache : IDisposable
{
    // Slots beyond a window: what is moved is moved once for so many tokens.
    private const int FewestSpare = 16;

    private readonly int?[] _windows;
    private readonly long[] _first;
    private Tensor[] _keys;
    private Tensor[] _values;

    /// <summary>Allocates for <paramref name="layers"/> layers.</summary>
    /// <param name="layers">Layers.</param>
    /// <param name="batch">Rows.</param>
    /// <param name="heads">Heads of keys and values.</param>
    /// <param name="capacity">Most tokens of a row.</param>
    /// <param name="headSize">Size of a head.</param>
    /// <param name="dtype">Dtype of keys and values.</param>
    /// <param name="device">Where they live.</param>
    /// <param name="windows">Keys that a query of each layer sees, itself included; null for all, in one layer or in every one.</param>
    public KeyValueCache(
        int layers,
        long batch,
        long heads,
        long capacity,
        long headSize,
        ScalarType dtype,
        Device device,
        IReadOnlyList<int?>? windows = null
    )
    {
        Capacity = capacity;
        Batch = batch;
        _windows = windows is null ? new int?[layers] : [.. windows];
        _first = new long[layers];
        // zeros, not empty: masked slots take part in products with weight 0, and 0 * NaN is NaN.
        Tensor[] Allocate() =>
            [.. _windows.Select(window => zeros([batch, heads, Slots(window), headSize], dtype, device).DetachFromDisposeScope())];
        _keys = Allocate();
        _values = Allocate();
    }

    /// <summary>Most tokens that a row can hold.</summary>
    public long Capacity { get; private set; }

    /// <summary>Rows.</summary>
    public long Batch { get; private set; }

    /// <summary>Tokens that each row has had, padding included.</summary>
    public long Length { get; private set; }

    /// <summary>A layer's keys, <c>[batch, heads, slots, head size]</c>; the cache's own.</summary>
    internal Tensor Keys(int layer) => _keys[layer];

    /// <summary>A layer's values, <c>[batch, heads, slots, head size]</c>; the cache's own.</summary>
    internal Tensor Values(int layer) => _values[layer];

    /// <summary>Place of the token in slot 0 of a layer.</summary>
    internal long First(int layer) => _first[layer];

    /// <summary>Tokens before the next one that it sees in a layer.</summary>
    internal long Seen(int layer) => _windows[layer] is { } window ? Math.Min(Length, window - 1) : Length;

    /// <summary>
    /// Writes the keys and values <c>[batch, heads, time, head size]</c> of a layer behind the tokens held, and returns those that the
    /// queries of these tokens see: of a window its last tokens before them, and all of the new ones.
    /// </summary>
    /// <exception cref="InvalidOperationException">The capacity would be exceeded.</exception>
    public (Tensor Keys, Tensor Values) Append(int layer, Tensor keys, Tensor values)
    {
        var time = keys.size(2);
        var seen = Seen(layer);
        if (!MakeRoom(layer, time))
        {
            // A piece longer than a window has slots: what is seen of it now is more than what is kept.
            var all = (Keys: Joined(_keys[layer], layer, seen, keys), Values: Joined(_values[layer], layer, seen, values));
            var kept = Math.Min(seen + time, _windows[layer]!.Value - 1);
            _first[layer] = Length + time - kept;
            Write(_keys[layer], 0, all.Keys.narrow(2, seen + time - kept, kept));
            Write(_values[layer], 0, all.Values.narrow(2, seen + time - kept, kept));
            return all;
        }
        var slot = Length - _first[layer];
        Write(_keys[layer], slot, keys);
        Write(_values[layer], slot, values);
        return (_keys[layer].narrow(2, slot - seen, seen + time), _values[layer].narrow(2, slot - seen, seen + time));
    }

    /// <summary>Makes the slots behind a layer's tokens free for so many more; false where a window has too few of them.</summary>
    /// <exception cref="InvalidOperationException">The capacity would be exceeded.</exception>
    internal bool MakeRoom(int layer, long time)
    {
        if (Length + time > Capacity)
            throw new InvalidOperationException($"The key-value cache holds {Length} of {Capacity} tokens; {time} more do not fit.");
        var slots = _keys[layer].size(2);
        if (Length - _first[layer] + time <= slots)
            return true;
        var seen = Seen(layer);
        if (seen + time > slots)
            return false;
        foreach (var tensor in new[] { _keys[layer], _values[layer] })
        {
            using var held = tensor.narrow(2, Length - seen - _first[layer], seen);
            using var copy = held.clone();
            Write(tensor, 0, copy);
        }
        _first[layer] = Length - seen;
        return true;
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

    /// <summary>Whether every layer has a slot for every token.</summary>
    internal bool IsWhole => _windows.All(window => window is null);

    /// <summary>
    /// Takes in the rows of another cache of the same model, behind its own, so that the newest token of every row stands in the same
    /// column. Only where both are <see cref="IsWhole"/>.
    /// </summary>
    /// <param name="unused">First columns of this cache that no row uses.</param>
    /// <param name="other">The other cache; it is disposed.</param>
    /// <param name="otherUnused">First columns of the other that no row uses.</param>
    /// <param name="further">Most tokens that will follow.</param>
    /// <returns>Columns that the rows of this cache, and those of the other, have moved to the right; negative to the left.</returns>
    internal (long Own, long Other) Join(long unused, KeyValueCache other, long otherUnused, long further)
    {
        long own = Length - unused,
            theirs = other.Length - otherUnused,
            length = Math.Max(own, theirs);
        Tensor[] Joined(Tensor[] mine, Tensor[] others) =>
            [
                .. mine.Zip(others, (first, second) =>
                {
                    using var scope = NewDisposeScope();
                    var joined = zeros(
                        [Batch + other.Batch, first.size(1), length + further, first.size(3)],
                        first.dtype,
                        first.device
                    );
                    joined.narrow(0, 0, Batch).narrow(2, length - own, own).copy_(first.narrow(0, 0, Batch).narrow(2, unused, own));
                    joined
                        .narrow(0, Batch, other.Batch)
                        .narrow(2, length - theirs, theirs)
                        .copy_(second.narrow(2, otherUnused, theirs));
                    return joined.DetachFromDisposeScope();
                }),
            ];
        var (keys, values) = (Joined(_keys, other._keys), Joined(_values, other._values));
        var moved = (length - Length, length - other.Length);
        Dispose();
        other.Dispose();
        (_keys, _values, Batch, Length, Capacity) = (keys, values, Batch + other.Batch, length, length + further);
        return moved;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var tensor in _keys.Concat(_values))
            tensor.Dispose();
    }

    private long Slots(int? window) => window is { } size ? Math.Min(Capacity, size - 1 + Math.Max(FewestSpare, size / 8)) : Capacity;

    private Tensor Joined(Tensor held, int layer, long seen, Tensor added)
    {
        using var scope = NewDisposeScope();
        return cat([held.narrow(2, Length - seen - _first[layer], seen), added.to(held.dtype)], 2).MoveToOuterDisposeScope();
    }

    private static void Write(Tensor target, long slot, Tensor values)
    {
        using var place = target.narrow(2, slot, values.size(2));
        place.copy_(values).Dispose();
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
