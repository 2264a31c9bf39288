namespace DfPO.Tasks.Datasets;

/// <summary>
/// NumPy's <c>default_rng(seed)</c> (SeedSequence and PCG64), as far as shuffling needs it: it gives back the splits of libraries that
/// shuffle with it, such as Hugging Face's datasets.
/// </summary>
/// <remarks>Algorithms: O'Neill, "PCG" (2014), XSL-RR 128/64; NumPy's SeedSequence after O'Neill's <c>seed_seq_fe</c>.</remarks>
public sealed class NumpyRandom
{
    private static readonly UInt128 s_multiplier = new(0x2360ED051FC65DA4, 0x4385DF649FCCF645);

    private readonly UInt128 _increment;
    private UInt128 _state;
    private uint? _half;

    /// <summary>A generator in the state that <c>default_rng(seed)</c> starts in.</summary>
    public NumpyRandom(ulong seed)
    {
        var words = Seeds(seed);
        _increment = (new UInt128(words[2], words[3]) << 1) | 1;
        Step();
        _state += new UInt128(words[0], words[1]);
        Step();
    }

    /// <summary><c>default_rng(seed).permutation(count)</c>.</summary>
    public static int[] Permutation(int count, ulong seed)
    {
        var random = new NumpyRandom(seed);
        int[] order = [.. Enumerable.Range(0, count)];
        for (var i = count - 1; i > 0; i--)
        {
            var j = (int)random.UpTo((uint)i);
            (order[i], order[j]) = (order[j], order[i]);
        }
        return order;
    }

    /// <summary><c>random()</c>: uniform in [0, 1), 53 bits.</summary>
    public double NextDouble() => (Next64() >> 11) * (1.0 / (1UL << 53));

    // Rejection under the smallest mask that holds the bound.
    private uint UpTo(uint max)
    {
        var mask = uint.MaxValue >> System.Numerics.BitOperations.LeadingZeroCount(max);
        uint value;
        do
        {
            value = Next32() & mask;
        } while (value > max);
        return value;
    }

    private uint Next32()
    {
        if (_half is { } kept)
        {
            _half = null;
            return kept;
        }
        var next = Next64();
        _half = (uint)(next >> 32);
        return (uint)next;
    }

    private ulong Next64()
    {
        Step();
        return ulong.RotateRight((ulong)(_state >> 64) ^ (ulong)_state, (int)(_state >> 122));
    }

    private void Step() => _state = unchecked(_state * s_multiplier + _increment);

    private static ulong[] Seeds(ulong seed)
    {
        const int Shift = 16;
        var hash = 0x43b0d7e5u;
        uint Hash(uint value)
        {
            value ^= hash;
            hash *= 0x931e8875u;
            value *= hash;
            return value ^ (value >> Shift);
        }
        static uint Mix(uint x, uint y)
        {
            var mixed = x * 0xca01f9ddu - y * 0x4973f715u;
            return mixed ^ (mixed >> Shift);
        }
        uint[] pool = [Hash((uint)seed), Hash((uint)(seed >> 32)), Hash(0), Hash(0)];
        for (var source = 0; source < 4; source++)
            for (var target = 0; target < 4; target++)
                if (source != target)
                    pool[target] = Mix(pool[target], Hash(pool[source]));
        var state = new uint[8];
        var outHash = 0x8b51f9ddu;
        for (var i = 0; i < state.Length; i++)
        {
            var value = pool[i % 4] ^ outHash;
            outHash *= 0x58f38dedu;
            value *= outHash;
            state[i] = value ^ (value >> Shift);
        }
        return [.. Enumerable.Range(0, 4).Select(i => state[2 * i] | ((ulong)state[2 * i + 1] << 32))];
    }
}
