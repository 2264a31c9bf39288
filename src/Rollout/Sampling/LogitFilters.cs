using System.Buffers;
using System.Numerics.Tensors;
using System.Runtime.Intrinsics;

namespace DfPO.Rollout.Sampling;

/// <summary>
/// Filters over one row of logits, in place; what is filtered out becomes minus infinity. Rules as in HF's logits processors.
/// </summary>
public static class LogitFilters
{
    /// <summary>Divides by a temperature.</summary>
    public static void Temperature(Span<float> logits, float temperature) => TensorPrimitives.Divide(logits, temperature, logits);

    /// <summary>Forbids a token.</summary>
    public static void Forbid(Span<float> logits, int token) => logits[token] = float.NegativeInfinity;

    /// <summary>
    /// Makes every token of the text so far less likely: positive logits are divided by the penalty, negative ones multiplied.
    /// </summary>
    /// <param name="logits">The row; log-probabilities in a beam search.</param>
    /// <param name="text">Token ids so far; each counts once.</param>
    /// <param name="penalty">Greater than 0; 1 changes nothing.</param>
    /// <remarks>Source: Keskar et al. 2019 (CTRL).</remarks>
    public static void RepetitionPenalty(Span<float> logits, ReadOnlySpan<int> text, float penalty)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (text[..i].Contains(text[i]))
                continue;
            ref var logit = ref logits[text[i]];
            logit = logit < 0 ? logit * penalty : logit / penalty;
        }
    }

    /// <summary>Forbids every token that would complete an n-gram which the text so far already holds.</summary>
    /// <param name="logits">The row.</param>
    /// <param name="text">Token ids so far.</param>
    /// <param name="n">Length of the n-grams, at least 1.</param>
    public static void NoRepeatNgram(Span<float> logits, ReadOnlySpan<int> text, int n)
    {
        if (text.Length < n - 1)
            return;
        var last = text[^(n - 1)..];
        for (var start = 0; start + n <= text.Length; start++)
        {
            if (text.Slice(start, n - 1).SequenceEqual(last))
                Forbid(logits, text[start + n - 1]);
        }
    }

    /// <summary>Keeps the <paramref name="k"/> highest logits and whatever ties with the last of them.</summary>
    public static void TopK(Span<float> logits, int k)
    {
        if (k >= logits.Length)
            return;
        var heap = ArrayPool<float>.Shared.Rent(k);
        var threshold = KthHighest(logits, heap.AsSpan(0, k));
        ArrayPool<float>.Shared.Return(heap);
        Cut(logits, threshold);
    }

    /// <summary>
    /// Keeps the smallest set of most likely tokens whose probability reaches <paramref name="p"/>, and at least so many; of equal logits
    /// the lower ids first.
    /// </summary>
    public static void TopP(Span<float> logits, double p, int least = 1)
    {
        if (p >= 1)
            return;
        var max = TensorPrimitives.Max(logits);
        var nucleus = ArrayPool<(float Logit, int Token)>.Shared.Rent(logits.Length);
        var probabilities = ArrayPool<float>.Shared.Rent(logits.Length);
        var mass = probabilities.AsSpan(0, logits.Length);
        TensorPrimitives.Subtract(logits, max, mass);
        TensorPrimitives.Exp(mass, mass);

        // Masses by distance to the highest logit tell how far down the nucleus can reach; only so many tokens need sorting.
        const int Bins = 1024;
        const float BinsPerNat = 32;
        Span<double> bins = stackalloc double[Bins];
        Span<int> counts = stackalloc int[Bins];
        bins.Clear();
        counts.Clear();
        for (var token = 0; token < logits.Length; token++)
        {
            if (mass[token] > 0)
            {
                var bin = Bin(max - logits[token]);
                bins[bin] += mass[token];
                counts[bin]++;
            }
        }
        var target = p * TensorPrimitives.Sum<double>(bins);
        var (deepest, reached, seen) = (0, bins[0], counts[0]);
        while ((reached < target || seen < least) && deepest < Bins - 1)
        {
            reached += bins[++deepest];
            seen += counts[deepest];
        }

        var count = 0;
        for (var token = 0; token < logits.Length; token++)
        {
            if (mass[token] > 0 && Bin(max - logits[token]) <= deepest)
                nucleus[count++] = (logits[token], token);
        }
        var sorted = nucleus.AsSpan(0, count);
        sorted.Sort(static (a, b) => a.Logit != b.Logit ? b.Logit.CompareTo(a.Logit) : a.Token.CompareTo(b.Token));
        logits.Fill(float.NegativeInfinity);
        double kept = 0;
        for (var rank = 0; rank < count && (kept < target || rank < least); rank++)
        {
            var (logit, token) = sorted[rank];
            logits[token] = logit;
            kept += mass[token];
        }
        ArrayPool<(float, int)>.Shared.Return(nucleus);
        ArrayPool<float>.Shared.Return(probabilities);

        static int Bin(float distance) => (int)Math.Min(distance * BinsPerNat, Bins - 1);
    }

    /// <summary>A heap of the highest values seen so far, its lowest on top: most of a row is dismissed sixteen logits at a time.</summary>
    private static float KthHighest(ReadOnlySpan<float> logits, Span<float> heap)
    {
        logits[..heap.Length].CopyTo(heap);
        heap.Sort();
        var i = heap.Length;
        for (; i + Vector512<float>.Count <= logits.Length; i += Vector512<float>.Count)
        {
            if (!Vector512.GreaterThanAny(Vector512.LoadUnsafe(in logits[i]), Vector512.Create(heap[0])))
                continue;
            foreach (var logit in logits.Slice(i, Vector512<float>.Count))
                Offer(heap, logit);
        }
        foreach (var logit in logits[i..])
            Offer(heap, logit);
        return heap[0];
    }

    private static void Offer(Span<float> heap, float value)
    {
        if (value <= heap[0])
            return;
        var parent = 0;
        for (var child = 1; child < heap.Length; child = 2 * parent + 1)
        {
            if (child + 1 < heap.Length && heap[child + 1] < heap[child])
                child++;
            if (value <= heap[child])
                break;
            heap[parent] = heap[child];
            parent = child;
        }
        heap[parent] = value;
    }

    private static void Cut(Span<float> logits, float threshold)
    {
        var (lowest, none) = (Vector512.Create(threshold), Vector512.Create(float.NegativeInfinity));
        var i = 0;
        for (; i + Vector512<float>.Count <= logits.Length; i += Vector512<float>.Count)
        {
            var values = Vector512.LoadUnsafe(in logits[i]);
            Vector512.ConditionalSelect(Vector512.GreaterThanOrEqual(values, lowest), values, none).StoreUnsafe(ref logits[i]);
        }
        for (; i < logits.Length; i++)
        {
            if (logits[i] < threshold)
                logits[i] = float.NegativeInfinity;
        }
    }
}
