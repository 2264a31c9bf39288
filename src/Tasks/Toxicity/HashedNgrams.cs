namespace DfPO.Tasks.Toxicity;

/// <summary>
/// What the regressor sees of a text: hashed words, word pairs and letter n-grams within words, as a sparse vector of length 1.
/// </summary>
public static class HashedNgrams
{
    private const int ShortestLetters = 2;
    private const int LongestLetters = 5;

    /// <summary>Buckets and values; the values' squares sum to 1, unless the text has no word.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="buckets">Size of the table, a power of two.</param>
    public static (int[] Buckets, float[] Values) Of(string text, int buckets)
    {
        var counts = new Dictionary<int, int>();
        void Add(uint hash)
        {
            var bucket = (int)(Finish(hash) & (uint)(buckets - 1));
            counts[bucket] = counts.GetValueOrDefault(bucket) + 1;
        }
        var previous = Begin('^');
        foreach (var word in Words(text.ToLowerInvariant()))
        {
            var hash = Hash(Begin('w'), word);
            Add(hash);
            Add(Hash(previous, word));
            previous = Hash(Begin('p'), word);
            var padded = $"<{word}>";
            for (var length = ShortestLetters; length <= LongestLetters; length++)
                for (var start = 0; start + length <= padded.Length; start++)
                    Add(Hash(Begin('c'), padded.AsSpan(start, length)));
        }
        // Damped counts: a word said five times is not five times as telling.
        float[] values = [.. counts.Values.Select(count => 1 + MathF.Log(count))];
        var norm = MathF.Sqrt(values.Sum(value => value * value));
        for (var i = 0; i < values.Length; i++)
            values[i] /= norm;
        return ([.. counts.Keys], values);
    }

    // Runs of letters, digits and what stands for letters in masked swearing (f*ck, a$$); every other mark by itself.
    private static IEnumerable<string> Words(string text)
    {
        for (var start = 0; start < text.Length;)
        {
            var end = start;
            while (end < text.Length && (char.IsLetterOrDigit(text[end]) || text[end] is '*' or '$' or '@' or '\'' or '\u2019'))
                end++;
            if (end == start)
                end++;
            if (!char.IsWhiteSpace(text[start]))
                yield return text[start..end];
            start = end;
        }
    }

    // FNV-1a: the same numbers on every machine, unlike string.GetHashCode.
    private static uint Begin(char kind) => Hash(2166136261, [kind]);

    private static uint Hash(uint hash, ReadOnlySpan<char> text)
    {
        foreach (var c in text)
            hash = (hash ^ c) * 16777619;
        return hash;
    }

    // FNV's low bits mix badly.
    private static uint Finish(uint hash)
    {
        hash = (hash ^ (hash >> 16)) * 0x85ebca6b;
        hash = (hash ^ (hash >> 13)) * 0xc2b2ae35;
        return hash ^ (hash >> 16);
    }
}
