namespace DfPO.Models;

/// <summary>
/// Random numbers as a pure function of a seed and a counter (SplitMix64): the same on every machine, in any order, with no state to save.
/// </summary>
public static class CounterRandom
{
    /// <summary>64 random bits of (seed, counter).</summary>
    public static ulong UInt64(ulong seed, ulong counter) => Mix(Mix(seed) + (counter + 1) * 0x9E3779B97F4A7C15);

    /// <summary>Uniform in [0, 1), 53 bits.</summary>
    public static double Uniform(ulong seed, ulong counter) => (UInt64(seed, counter) >> 11) * (1.0 / (1UL << 53));

    /// <summary>A seeded permutation of 0 to <paramref name="count"/> - 1 (Fisher and Yates).</summary>
    public static int[] Permutation(int count, ulong seed)
    {
        int[] order = [.. Enumerable.Range(0, count)];
        for (var i = count - 1; i > 0; i--)
        {
            var j = (int)(UInt64(seed, (ulong)i) % (ulong)(i + 1));
            (order[i], order[j]) = (order[j], order[i]);
        }
        return order;
    }

    private static ulong Mix(ulong x)
    {
        x += 0x9E3779B97F4A7C15;
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
        return x ^ (x >> 31);
    }
}
