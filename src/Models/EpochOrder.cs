namespace DfPO.Models;

/// <summary>
/// An endless seeded stream of indices that goes through a fresh permutation each epoch: a pure function of seed and draw, so the cursor is
/// all there is to save.
/// </summary>
/// <param name="count">Items of an epoch, at least 1.</param>
/// <param name="seed">Seed of the stream; epoch e uses <paramref name="seed"/> + e, so mix seeds that lie close together before giving
/// them.</param>
public sealed class EpochOrder(int count, ulong seed)
{
    // One reference, swapped whole: a reader on another thread sees an old epoch or a new one, never half of each.
    private Epoch _current = new(0, CounterRandom.Permutation(count, seed));

    /// <summary>Index of the n-th draw, in [0, count).</summary>
    public int this[ulong draw]
    {
        get
        {
            var (number, current) = (draw / (ulong)count, _current);
            if (number != current.Number)
                _current = current = new Epoch(number, CounterRandom.Permutation(count, seed + number));
            return current.Order[draw % (ulong)count];
        }
    }

    private sealed record Epoch(ulong Number, int[] Order);
}
