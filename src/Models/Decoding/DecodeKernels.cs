using System.Runtime.Intrinsics;

namespace DfPO.Models.Decoding;

/// <summary>
/// What a decoding step does between its matrix products, a row at a time. One query a row makes these bound by memory, and torch's
/// operators, each with its own pass and allocation, are several times slower here. Lengths are multiples of 16.
/// </summary>
internal static unsafe class DecodeKernels<T, TElement>
    where T : unmanaged
    where TElement : IElement<T>
{
    private const int Lanes = 16;

    /// <summary><c>(x - mean) / sqrt(variance + epsilon) * weight + bias</c>.</summary>
    public static void LayerNorm(float* x, float* weight, float* bias, T* target, int width, float epsilon)
    {
        var (sum, squares) = (Vector512<float>.Zero, Vector512<float>.Zero);
        for (var i = 0; i < width; i += Lanes)
            sum += Vector512.Load(x + i);
        var mean = Vector512.Create(Vector512.Sum(sum) / width);
        for (var i = 0; i < width; i += Lanes)
        {
            var centred = Vector512.Load(x + i) - mean;
            squares = Vector512.FusedMultiplyAdd(centred, centred, squares);
        }
        var scale = Vector512.Create(1 / MathF.Sqrt(Vector512.Sum(squares) / width + epsilon));
        for (var i = 0; i < width; i += Lanes)
            TElement.Store(
                target + i,
                Vector512.FusedMultiplyAdd((Vector512.Load(x + i) - mean) * scale, Vector512.Load(weight + i), Vector512.Load(bias + i))
            );
    }

    /// <summary><c>x += y</c>.</summary>
    public static void Add(float* x, T* y, int width)
    {
        for (var i = 0; i < width; i += Lanes)
            (Vector512.Load(x + i) + TElement.Load(y + i)).Store(x + i);
    }

    /// <summary>Attention of one query of one head over keys and values <c>[length, size]</c>.</summary>
    /// <param name="query">The query, <paramref name="size"/> elements.</param>
    /// <param name="keys">Keys, one behind the other.</param>
    /// <param name="values">Values, one behind the other.</param>
    /// <param name="length">Keys that the query sees.</param>
    /// <param name="size">Elements of a head.</param>
    /// <param name="scale">Multiplies the products of query and keys.</param>
    /// <param name="scores">Scratch, <paramref name="length"/> rounded up to 16.</param>
    /// <param name="target">Receives the head's <paramref name="size"/> elements.</param>
    public static void Attend(T* query, T* keys, T* values, int length, int size, float scale, float* scores, T* target)
    {
        var max = float.NegativeInfinity;
        for (var t = 0; t < length; t++)
        {
            var dot = Vector512<float>.Zero;
            for (var i = 0; i < size; i += Lanes)
                dot = Vector512.FusedMultiplyAdd(TElement.Load(query + i), TElement.Load(keys + (long)t * size + i), dot);
            scores[t] = Vector512.Sum(dot) * scale;
            max = Math.Max(max, scores[t]);
        }
        var padded = (length + Lanes - 1) / Lanes * Lanes;
        for (var t = length; t < padded; t++)
            scores[t] = float.NegativeInfinity;
        var (shift, sum) = (Vector512.Create(max), Vector512<float>.Zero);
        for (var t = 0; t < padded; t += Lanes)
        {
            var e = Vector512.Exp(Vector512.Load(scores + t) - shift);
            e.Store(scores + t);
            sum += e;
        }
        var norm = Vector512.Create(1 / Vector512.Sum(sum));
        var start = 0;
        for (; start + 4 * Lanes <= size; start += 4 * Lanes)
        {
            Vector512<float> a = default,
                b = default,
                c = default,
                d = default;
            for (var t = 0; t < length; t++)
            {
                var weight = Vector512.Create(scores[t]);
                var value = values + (long)t * size + start;
                a = Vector512.FusedMultiplyAdd(weight, TElement.Load(value), a);
                b = Vector512.FusedMultiplyAdd(weight, TElement.Load(value + Lanes), b);
                c = Vector512.FusedMultiplyAdd(weight, TElement.Load(value + 2 * Lanes), c);
                d = Vector512.FusedMultiplyAdd(weight, TElement.Load(value + 3 * Lanes), d);
            }
            TElement.Store(target + start, a * norm);
            TElement.Store(target + start + Lanes, b * norm);
            TElement.Store(target + start + 2 * Lanes, c * norm);
            TElement.Store(target + start + 3 * Lanes, d * norm);
        }
        for (; start < size; start += Lanes)
        {
            var a = Vector512<float>.Zero;
            for (var t = 0; t < length; t++)
                a = Vector512.FusedMultiplyAdd(Vector512.Create(scores[t]), TElement.Load(values + (long)t * size + start), a);
            TElement.Store(target + start, a * norm);
        }
    }
}
