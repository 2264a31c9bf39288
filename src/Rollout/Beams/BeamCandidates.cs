using System.Runtime.Intrinsics;

namespace DfPO.Rollout.Beams;

/// <summary>The highest of many scores, best first; of equal ones those offered earlier.</summary>
/// <param name="capacity">How many are kept.</param>
internal sealed class BeamCandidates(int capacity)
{
    private readonly (float Sum, int Beam, int Token)[] _kept = new (float, int, int)[capacity];
    private int _count;

    /// <summary>What is kept.</summary>
    public ReadOnlySpan<(float Sum, int Beam, int Token)> Kept => _kept.AsSpan(0, _count);

    /// <summary>Forgets all.</summary>
    public void Clear() => _count = 0;

    /// <summary>Offers one beam's score of every token. Most are dismissed sixteen at a time.</summary>
    public void Offer(int beam, ReadOnlySpan<float> sums)
    {
        var token = 0;
        for (; token + Vector512<float>.Count <= sums.Length; token += Vector512<float>.Count)
        {
            if (_count == capacity && !Vector512.GreaterThanAny(Vector512.LoadUnsafe(in sums[token]), Vector512.Create(_kept[^1].Sum)))
                continue;
            for (var i = token; i < token + Vector512<float>.Count; i++)
                Offer(sums[i], beam, i);
        }
        for (; token < sums.Length; token++)
            Offer(sums[token], beam, token);
    }

    private void Offer(float sum, int beam, int token)
    {
        if (_count == capacity && !(sum > _kept[^1].Sum))
            return;
        var place = _count == capacity ? _count - 1 : _count++;
        for (; place > 0 && sum > _kept[place - 1].Sum; place--)
            _kept[place] = _kept[place - 1];
        _kept[place] = (sum, beam, token);
    }
}
