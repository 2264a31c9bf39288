using System.Collections.Concurrent;
using System.Text;

namespace DfPO.Models.Tokenizers.Segmentation;

/// <summary><c>BPE</c>: characters, merged pair by pair, the pair of lowest rank first and among equals the leftmost.</summary>
/// <remarks>Source: Sennrich et al. 2016; the order, unknown characters and byte fallback are those of HF's tokenizers.</remarks>
internal sealed class BytePairSegmenter : ISegmenter
{
    private const int LongestKept = 128,
        MostKept = 1 << 16;
    private readonly Dictionary<long, (int Rank, int Id)> _merges;
    private readonly BytePairOptions _options;
    private readonly ByteTokens? _bytes;
    private readonly int? _unknown;
    private readonly ConcurrentDictionary<string, int[]> _known = new();
    private int _kept;

    /// <param name="vocabulary">All tokens.</param>
    /// <param name="merges">By pair of ids (<see cref="Pair"/>), rank and id of what it becomes.</param>
    /// <param name="options">The rest.</param>
    /// <param name="unknown">Id of what stands for unknown characters; null to leave them out.</param>
    public BytePairSegmenter(Vocabulary vocabulary, Dictionary<long, (int Rank, int Id)> merges, BytePairOptions options, int? unknown)
    {
        (Vocabulary, _merges, _options, _unknown) = (vocabulary, merges, options, unknown);
        _bytes = options.ByteFallback ? new ByteTokens(vocabulary) : null;
    }

    public Vocabulary Vocabulary { get; }

    public static long Pair(int left, int right) => ((long)left << 32) | (uint)right;

    public void Segment(string piece, List<int> ids)
    {
        if (piece.Length > LongestKept)
        {
            ids.AddRange(Merge(piece));
            return;
        }
        if (!_known.TryGetValue(piece, out var known))
        {
            known = Merge(piece);
            if (Volatile.Read(ref _kept) < MostKept && _known.TryAdd(piece, known))
                Interlocked.Increment(ref _kept);
        }
        ids.AddRange(known);
    }

    private int[] Merge(string piece)
    {
        if (_options.WholePieces && Vocabulary.Id(piece) is { } whole)
            return [whole];
        var symbols = Symbols(piece);
        // next[i] is the symbol behind i, or the count; previous[i] the one before it, or -1; -1 as id marks one that has been merged away.
        var count = symbols.Count;
        int[] ids = [.. symbols],
            next = new int[count],
            previous = new int[count];
        var queue = new PriorityQueue<(int Left, int Id), (int Rank, int Left)>();
        for (var at = 0; at < count; at++)
        {
            (next[at], previous[at]) = (at + 1, at - 1);
            Offer(at, at + 1);
        }
        while (queue.TryDequeue(out var best, out _))
        {
            var left = best.Left;
            var right = ids[left] < 0 ? count : next[left];
            // One of the two has been merged with another since.
            if (right == count || !_merges.TryGetValue(Pair(ids[left], ids[right]), out var merge) || merge.Id != best.Id)
                continue;
            (ids[left], ids[right], next[left]) = (best.Id, -1, next[right]);
            if (next[left] < count)
                previous[next[left]] = left;
            if (previous[left] >= 0)
                Offer(previous[left], left);
            Offer(left, next[left]);
        }
        return [.. ids.Where(id => id >= 0)];

        void Offer(int left, int right)
        {
            if (right < count && _merges.TryGetValue(Pair(ids[left], ids[right]), out var merge))
                queue.Enqueue((left, merge.Id), (merge.Rank, left));
        }
    }

    /// <summary>The tokens of single characters that merging begins with.</summary>
    private List<int> Symbols(string piece)
    {
        var ids = new List<int>(piece.Length);
        var pending = false;
        for (int at = 0, length; at < piece.Length; at += length)
        {
            length = Rune.GetRuneAt(piece, at).Utf16SequenceLength;
            var character = piece.AsSpan(at, length);
            if (_options.Prefix.Length > 0 && at > 0)
                character = string.Concat(_options.Prefix, character);
            if (_options.Suffix.Length > 0 && at + length == piece.Length)
                character = string.Concat(character, _options.Suffix);
            if (Vocabulary.Id(character) is { } id)
            {
                if (pending)
                    ids.Add(_unknown!.Value);
                pending = false;
                ids.Add(id);
                continue;
            }
            if (_bytes is not null && _bytes.TryAppend(character, ids))
                continue;
            if (_unknown is null)
                continue;
            if (pending && !_options.FuseUnknown)
                ids.Add(_unknown.Value);
            pending = true;
        }
        if (pending)
            ids.Add(_unknown!.Value);
        return ids;
    }
}

/// <summary>What a <c>BPE</c> model says beside vocabulary and merges.</summary>
/// <param name="Prefix">What every character but the first of a piece has in front in the vocabulary.</param>
/// <param name="Suffix">What the last character of a piece has behind it.</param>
/// <param name="FuseUnknown">Whether unknown characters next to each other are one token.</param>
/// <param name="ByteFallback">Whether the bytes of an unknown character are tokens.</param>
/// <param name="WholePieces">Whether a piece that is a token is taken as it is, whatever the merges say (<c>ignore_merges</c>).</param>
internal sealed record BytePairOptions(
    string Prefix = "",
    string Suffix = "",
    bool FuseUnknown = false,
    bool ByteFallback = false,
    bool WholePieces = false
);
