using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace DfPO.Actors.Weights;

/// <summary>
/// Elements of 1, 2 or 4 bytes taken apart into planes of one bit each, so that what small changes leave at zero lies together. Lossless for any bytes.
/// Both directions are pure.
/// </summary>
/// <remarks>
/// What is taken apart is not the exclusive or but the difference of the bit patterns as integers, modulo their size, with the sign in the lowest bit:
/// a step to the neighbouring number is 1 or 2 then, where an exclusive or has as many bits set as the carry ran through. Measured on bfloat16 weights of
/// which 6.5 % move, with zstd behind it: 5.0 % of the bytes, against 5.8 % for differences in byte planes and 6.3 % for exclusive ors in byte planes.
/// </remarks>
internal static class BitPlanes
{
    private const int Lane = 32;

    private static readonly Vector256<byte> s_spread = Vector256.Create((byte)0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 18, 18, 18, 18, 18, 18, 18, 18, 19, 19, 19, 19, 19, 19, 19, 19);
    private static readonly Vector256<byte> s_bit = Vector256.Create(0x8040201008040201ul).AsByte();

    /// <summary>The bytes of the differences, byte plane after byte plane: <c>bytes[k * elements + i]</c> is byte k of element i.</summary>
    /// <param name="from">Elements before.</param>
    /// <param name="to">Elements after; as many bytes.</param>
    /// <param name="elementSize">1, 2 or 4.</param>
    /// <param name="bytes">As many bytes.</param>
    public static void Subtract(ReadOnlySpan<byte> from, ReadOnlySpan<byte> to, int elementSize, Span<byte> bytes)
    {
        var elements = from.Length / elementSize;
        var i = 0;
        switch (elementSize)
        {
            case 1:
                for (; i < elements; i++)
                {
                    var d = (sbyte)(to[i] - from[i]);
                    bytes[i] = (byte)((d << 1) ^ (d >> 7));
                }
                break;
            case 2:
                var a = MemoryMarshal.Cast<byte, short>(from);
                var b = MemoryMarshal.Cast<byte, short>(to);
                for (; i + Lane <= elements; i += Lane)
                {
                    var (z0, z1) = (ZigZag(Vector256.Create(b[i..]) - Vector256.Create(a[i..])), ZigZag(Vector256.Create(b[(i + 16)..]) - Vector256.Create(a[(i + 16)..])));
                    Vector256.Narrow(z0 & Vector256.Create((ushort)255), z1 & Vector256.Create((ushort)255)).CopyTo(bytes[i..]);
                    Vector256.Narrow(z0 >>> 8, z1 >>> 8).CopyTo(bytes[(elements + i)..]);
                }
                for (; i < elements; i++)
                {
                    var d = (short)(b[i] - a[i]);
                    var z = (ushort)((d << 1) ^ (d >> 15));
                    (bytes[i], bytes[elements + i]) = ((byte)z, (byte)(z >> 8));
                }
                break;
            default:
                var p = MemoryMarshal.Cast<byte, int>(from);
                var q = MemoryMarshal.Cast<byte, int>(to);
                for (; i < elements; i++)
                {
                    var d = q[i] - p[i];
                    var z = (uint)((d << 1) ^ (d >> 31));
                    (bytes[i], bytes[elements + i], bytes[(2 * elements) + i], bytes[(3 * elements) + i]) = ((byte)z, (byte)(z >> 8), (byte)(z >> 16), (byte)(z >> 24));
                }
                break;
        }
    }

    /// <summary>The inverse of <see cref="Subtract"/>.</summary>
    public static void Add(ReadOnlySpan<byte> from, ReadOnlySpan<byte> bytes, int elementSize, Span<byte> to)
    {
        var elements = from.Length / elementSize;
        var i = 0;
        switch (elementSize)
        {
            case 1:
                for (; i < elements; i++)
                    to[i] = (byte)(from[i] + ((bytes[i] >> 1) ^ -(bytes[i] & 1)));
                break;
            case 2:
                var a = MemoryMarshal.Cast<byte, short>(from);
                var b = MemoryMarshal.Cast<byte, short>(to);
                for (; i + Lane <= elements; i += Lane)
                {
                    var (low, high) = (Vector256.Create(bytes[i..]), Vector256.Create(bytes[(elements + i)..]));
                    (Vector256.Create(a[i..]) + Undo(Vector256.WidenLower(low) | (Vector256.WidenLower(high) << 8))).CopyTo(b[i..]);
                    (Vector256.Create(a[(i + 16)..]) + Undo(Vector256.WidenUpper(low) | (Vector256.WidenUpper(high) << 8))).CopyTo(b[(i + 16)..]);
                }
                for (; i < elements; i++)
                {
                    var z = bytes[i] | (bytes[elements + i] << 8);
                    b[i] = (short)(a[i] + ((z >> 1) ^ -(z & 1)));
                }
                break;
            default:
                var p = MemoryMarshal.Cast<byte, int>(from);
                var q = MemoryMarshal.Cast<byte, int>(to);
                for (; i < elements; i++)
                {
                    var z = bytes[i] | ((uint)bytes[elements + i] << 8) | ((uint)bytes[(2 * elements) + i] << 16) | ((uint)bytes[(3 * elements) + i] << 24);
                    q[i] = p[i] + (int)((z >> 1) ^ (uint)-(int)(z & 1));
                }
                break;
        }
    }

    /// <summary>Bit b of byte i goes to bit i % 8 of byte i / 8 of plane b; planes have a byte for eight, rounded up.</summary>
    public static void Split(ReadOnlySpan<byte> bytes, Span<byte> planes)
    {
        var stride = (bytes.Length + 7) / 8;
        var i = 0;
        for (; i + Lane <= bytes.Length; i += Lane)
        {
            var v = Vector256.Create(bytes[i..]);
            for (var bit = 7; bit >= 0; bit--)
            {
                BinaryPrimitives.WriteUInt32LittleEndian(planes[((bit * stride) + (i / 8))..], v.ExtractMostSignificantBits());
                v += v;
            }
        }
        for (; i < bytes.Length; i += 8)
        {
            for (var bit = 0; bit < 8; bit++)
            {
                var packed = 0;
                for (var k = 0; k < 8 && i + k < bytes.Length; k++)
                    packed |= ((bytes[i + k] >> bit) & 1) << k;
                planes[(bit * stride) + (i / 8)] = (byte)packed;
            }
        }
    }

    /// <summary>The inverse of <see cref="Split"/>.</summary>
    public static void Join(ReadOnlySpan<byte> planes, Span<byte> bytes)
    {
        var stride = (bytes.Length + 7) / 8;
        var i = 0;
        for (; i + Lane <= bytes.Length; i += Lane)
        {
            var v = Vector256<byte>.Zero;
            for (var bit = 0; bit < 8; bit++)
            {
                var packed = BinaryPrimitives.ReadUInt32LittleEndian(planes[((bit * stride) + (i / 8))..]);
                if (packed == 0)
                    continue;
                var spread = Vector256.Shuffle(Vector256.Create(packed).AsByte(), s_spread) & s_bit;
                v |= Vector256.Equals(spread, s_bit) & Vector256.Create((byte)(1 << bit));
            }
            v.CopyTo(bytes[i..]);
        }
        for (; i < bytes.Length; i++)
        {
            var value = 0;
            for (var bit = 0; bit < 8; bit++)
                value |= ((planes[(bit * stride) + (i / 8)] >> (i % 8)) & 1) << bit;
            bytes[i] = (byte)value;
        }
    }

    private static Vector256<ushort> ZigZag(Vector256<short> d) => ((d << 1) ^ (d >> 15)).AsUInt16();

    private static Vector256<short> Undo(Vector256<ushort> z) => ((z >>> 1) ^ (Vector256<ushort>.Zero - (z & Vector256<ushort>.One))).AsInt16();
}
