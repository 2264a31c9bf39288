using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace DfPO.Actors.Weights;

/// <summary>
/// Elements by the <see cref="Size"/>, where one bit of a word stands for each: what the delta of a chunk is made of. Pure.
/// </summary>
/// <typeparam name="T">byte, ushort or uint: the bit pattern of an element.</typeparam>
internal static class ElementGroups<T>
    where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
{
    /// <summary>Elements of a group.</summary>
    public const int Size = 64;

    private const int MostClasses = 16;
    private const int SampleStride = 61;
    private const int LeastShare = 32;

    private static readonly Vector256<byte> s_spread = Vector256.Create(
        (byte)0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        1,
        1,
        1,
        1,
        1,
        1,
        1,
        1,
        18,
        18,
        18,
        18,
        18,
        18,
        18,
        18,
        19,
        19,
        19,
        19,
        19,
        19,
        19,
        19
    );
    private static readonly Vector256<byte> s_byteBit = Vector256.Create(0x8040201008040201ul).AsByte();
    private static readonly Vector256<T> s_laneBit = Vector256.Create([
        .. Enumerable.Range(0, Vector256<T>.Count).Select(lane => T.CreateTruncating(1ul << lane)),
    ]);

    /// <summary>Numbers of groups, the last of which may be filled up.</summary>
    public static int Count(int elements) => (elements + Size - 1) / Size;

    /// <summary>
    /// Where the elements' magnitudes part into classes: descending lower bounds of <see cref="Key"/>, so that each class has 1/32 of a
    /// sample or more.
    /// </summary>
    /// <returns>Bounds; the class below the last one has none.</returns>
    public static int Bounds(ReadOnlySpan<T> elements, Span<byte> bounds)
    {
        Span<int> histogram = stackalloc int[256];
        histogram.Clear();
        var samples = 0;
        for (var i = 0; i < elements.Length; i += SampleStride, samples++)
            histogram[Key(elements[i])]++;
        var (count, have) = (0, 0);
        for (var key = 255; key > 0 && count < MostClasses - 1; key--)
        {
            have += histogram[key];
            if (have * LeastShare < samples || have == 0)
                continue;
            bounds[count++] = (byte)key;
            have = 0;
        }
        return count;
    }

    /// <summary>The words of every class, one class after the other: which elements are in it. Each element is in one.</summary>
    public static int Classify(ReadOnlySpan<T> elements, ref ulong[] words)
    {
        Span<byte> bounds = stackalloc byte[MostClasses];
        bounds = bounds[..Bounds(elements, bounds)];
        var groups = Count(elements.Length);
        if (words.Length < (bounds.Length + 1) * groups)
            words = new ulong[MostClasses * groups];
        Span<T> filled = stackalloc T[Size];
        for (var g = 0; g < groups; g++)
        {
            var group = Group(elements, g, filled);
            var (low, high) = (Keys(group), Keys(group[(Size / 2)..]));
            var above = 0ul;
            for (var i = 0; i < bounds.Length; i++)
            {
                var bound = Vector256.Create(bounds[i]);
                var reached =
                    Vector256.GreaterThanOrEqual(low, bound).ExtractMostSignificantBits()
                    | ((ulong)Vector256.GreaterThanOrEqual(high, bound).ExtractMostSignificantBits() << (Size / 2));
                words[(i * groups) + g] = reached & ~above;
                above = reached;
            }
            words[(bounds.Length * groups) + g] = ~above;
        }
        return bounds.Length + 1;
    }

    /// <summary>The differences of a chunk's elements, modulo their size.</summary>
    /// <param name="from">Elements before.</param>
    /// <param name="to">Elements after; as many.</param>
    /// <param name="distances">Receives the distances, for whole groups.</param>
    /// <param name="changed">Receives who is not the same.</param>
    /// <param name="down">Receives who becomes less.</param>
    /// <param name="far">Receives whose distance is more than one.</param>
    public static void Compare(
        ReadOnlySpan<T> from,
        ReadOnlySpan<T> to,
        Span<T> distances,
        Span<ulong> changed,
        Span<ulong> down,
        Span<ulong> far
    )
    {
        Span<T> a = stackalloc T[Size];
        Span<T> b = stackalloc T[Size];
        for (var g = 0; g < changed.Length; g++)
        {
            var before = Group(from, g, a);
            var after = Group(to, g, b);
            var (same, less, near) = (0ul, 0ul, 0ul);
            for (var i = 0; i < Size; i += Vector256<T>.Count)
            {
                var d = Vector256.Create(after[i..]) - Vector256.Create(before[i..]);
                // The lesser of both ways round.
                var distance = Vector256.Min(d, Vector256<T>.Zero - d);
                distance.CopyTo(distances[((g * Size) + i)..]);
                same |= (ulong)Vector256.Equals(d, Vector256<T>.Zero).ExtractMostSignificantBits() << i;
                near |= (ulong)Vector256.Equals(Vector256.Min(distance, Vector256<T>.One), distance).ExtractMostSignificantBits() << i;
                less |= (ulong)d.ExtractMostSignificantBits() << i;
            }
            (changed[g], down[g], far[g]) = (~same, less, ~near);
        }
    }

    /// <summary>A distance of one for who has changed, none for the others.</summary>
    public static void Step(ReadOnlySpan<ulong> changed, Span<T> distances)
    {
        for (var g = 0; g < changed.Length; g++)
            for (var i = 0; i < Size; i += Vector256<T>.Count)
                (Lanes(changed[g], i) & Vector256<T>.One).CopyTo(distances[((g * Size) + i)..]);
    }

    /// <summary>The elements after, from those before: the inverse of <see cref="Compare"/>.</summary>
    public static void Move(ReadOnlySpan<T> from, ReadOnlySpan<T> distances, ReadOnlySpan<ulong> down, Span<T> to)
    {
        Span<T> a = stackalloc T[Size];
        Span<T> b = stackalloc T[Size];
        for (var g = 0; g < down.Length; g++)
        {
            var before = Group(from, g, a);
            var rest = to[(g * Size)..];
            var after = rest.Length < Size ? b : rest;
            for (var i = 0; i < Size; i += Vector256<T>.Count)
            {
                var negative = Lanes(down[g], i);
                (Vector256.Create(before[i..]) + ((Vector256.Create(distances[((g * Size) + i)..]) ^ negative) - negative)).CopyTo(
                    after[i..]
                );
            }
            if (rest.Length < Size)
                b[..rest.Length].CopyTo(rest);
        }
    }

    /// <summary>Of all bits but the sign the eight highest: a bfloat16's or float32's exponent.</summary>
    private static int Key(T element) => byte.CreateTruncating((element << 1) >>> ((Unsafe.SizeOf<T>() - 1) * 8));

    private static ReadOnlySpan<T> Group(ReadOnlySpan<T> elements, int group, Span<T> filled)
    {
        var rest = elements[(group * Size)..];
        if (rest.Length >= Size)
            return rest[..Size];
        filled.Clear();
        rest.CopyTo(filled);
        return filled;
    }

    /// <summary><see cref="Key"/> of 32 elements.</summary>
    private static Vector256<byte> Keys(ReadOnlySpan<T> elements)
    {
        if (typeof(T) == typeof(byte))
            return Vector256.Create(elements).AsByte() << 1;
        if (typeof(T) == typeof(ushort))
            return Vector256.Narrow(
                Vector256.Create(elements).AsUInt16() << 1 >>> 8,
                Vector256.Create(elements[16..]).AsUInt16() << 1 >>> 8
            );
        return Vector256.Narrow(
            Vector256.Narrow(Vector256.Create(elements).AsUInt32() << 1 >>> 24, Vector256.Create(elements[8..]).AsUInt32() << 1 >>> 24),
            Vector256.Narrow(
                Vector256.Create(elements[16..]).AsUInt32() << 1 >>> 24,
                Vector256.Create(elements[24..]).AsUInt32() << 1 >>> 24
            )
        );
    }

    /// <summary>All bits of the elements from one on whose bit of a word is set.</summary>
    private static Vector256<T> Lanes(ulong word, int first)
    {
        if (typeof(T) == typeof(byte))
            return Vector256
                .Equals(Vector256.Shuffle(Vector256.Create((uint)(word >> first)).AsByte(), s_spread) & s_byteBit, s_byteBit)
                .As<byte, T>();
        return Vector256.Equals(Vector256.Create(T.CreateTruncating(word >> first)) & s_laneBit, s_laneBit);
    }
}
