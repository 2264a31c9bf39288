using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.Intrinsics.X86;

namespace DfPO.Actors.Weights;

/// <summary>
/// A stream of bits, of which each word gives or takes those at the places that a mask names. Pure; the lowest bit comes first.
/// </summary>
public static class MaskedBits
{
    /// <summary>Bytes that a stream's memory has behind its last bit, for both directions work on many at a time.</summary>
    public const int Slack = 16;

    /// <summary>Bytes of a number of bits.</summary>
    public static int Bytes(int bits) => (bits + 7) / 8;

    /// <summary>Number of bits set.</summary>
    public static int Count(ReadOnlySpan<ulong> words)
    {
        var count = 0;
        foreach (var word in words)
            count += BitOperations.PopCount(word);
        return count;
    }

    /// <summary>Whether a bit is set in both.</summary>
    public static bool Meet(ReadOnlySpan<ulong> words, ReadOnlySpan<ulong> masks)
    {
        for (var i = 0; i < words.Length; i++)
            if ((words[i] & masks[i]) != 0)
                return true;
        return false;
    }

    /// <summary>Clears the bits that a mask does not name.</summary>
    public static void Restrict(Span<ulong> words, ReadOnlySpan<ulong> masks)
    {
        for (var i = 0; i < words.Length; i++)
            words[i] &= masks[i];
    }

    /// <summary>Writes the masked bits of words.</summary>
    /// <param name="stream">The stream, with <see cref="Slack"/>. The bits that fill up the last byte are zero.</param>
    /// <param name="position">Bits in the stream before.</param>
    /// <param name="words">Words.</param>
    /// <param name="masks">As many masks.</param>
    /// <returns>Bits in the stream afterwards.</returns>
    public static int Write(Span<byte> stream, int position, ReadOnlySpan<ulong> words, ReadOnlySpan<ulong> masks)
    {
        var (at, held) = (position >> 3, position & 7);
        var pending = held == 0 ? 0ul : stream[at];
        for (var i = 0; i < words.Length; i++)
        {
            var bits = Extract(words[i], masks[i]);
            var count = BitOperations.PopCount(masks[i]);
            pending |= bits << held;
            if (held + count >= 64)
            {
                BinaryPrimitives.WriteUInt64LittleEndian(stream[at..], pending);
                at += 8;
                pending = bits >> 1 >> (63 - held);
                held -= 64;
            }
            held += count;
        }
        BinaryPrimitives.WriteUInt64LittleEndian(stream[at..], pending);
        return (at << 3) + held;
    }

    /// <summary>Sets the masked bits of words, which are zero before, to what <see cref="Write"/> wrote.</summary>
    /// <returns>Position in the stream afterwards.</returns>
    public static int Read(ReadOnlySpan<byte> stream, int position, Span<ulong> words, ReadOnlySpan<ulong> masks)
    {
        for (var i = 0; i < words.Length; i++)
        {
            var next = stream.Slice(position >> 3, 9);
            var skip = position & 7;
            var bits = (BinaryPrimitives.ReadUInt64LittleEndian(next) >> skip) | ((ulong)next[8] << 1 << (63 - skip));
            words[i] |= Deposit(bits, masks[i]);
            position += BitOperations.PopCount(masks[i]);
        }
        return position;
    }

    /// <summary>The bits at the places of a mask, moved together.</summary>
    public static ulong Extract(ulong word, ulong mask) =>
        Bmi2.X64.IsSupported ? Bmi2.X64.ParallelBitExtract(word, mask) : ExtractSlowly(word, mask);

    /// <summary>The lowest bits, moved to the places of a mask.</summary>
    public static ulong Deposit(ulong bits, ulong mask) =>
        Bmi2.X64.IsSupported ? Bmi2.X64.ParallelBitDeposit(bits, mask) : DepositSlowly(bits, mask);

    /// <summary><see cref="Extract"/> on any processor.</summary>
    public static ulong ExtractSlowly(ulong word, ulong mask)
    {
        var bits = 0ul;
        for (var to = 0; mask != 0; mask &= mask - 1, to++)
            bits |= ((word >> BitOperations.TrailingZeroCount(mask)) & 1) << to;
        return bits;
    }

    /// <summary><see cref="Deposit"/> on any processor.</summary>
    public static ulong DepositSlowly(ulong bits, ulong mask)
    {
        var word = 0ul;
        for (; mask != 0; mask &= mask - 1, bits >>= 1)
            word |= (bits & 1) << BitOperations.TrailingZeroCount(mask);
        return word;
    }
}
