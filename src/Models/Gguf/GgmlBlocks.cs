using System.Buffers.Binary;

namespace DfPO.Models.Gguf;

/// <summary>Blocks of 32 elements as numbers. Source: the reference functions <c>dequantize_row_*</c> of ggml.</summary>
internal static class GgmlBlocks
{
    private const int Size = 32;
    private const int Half = Size / 2;

    /// <summary>The numbers of whole blocks.</summary>
    /// <param name="type">A type that is not read as it stands.</param>
    /// <param name="blocks">Whole blocks.</param>
    /// <param name="values">Receives the numbers, as many as the blocks have.</param>
    public static void Decode(GgmlType type, ReadOnlySpan<byte> blocks, Span<float> values)
    {
        var (elements, bytes) = type.Block();
        for (var i = 0; i < values.Length / elements; i++)
            Block(type, blocks.Slice(i * bytes, bytes), values.Slice(i * elements, elements));
    }

    private static void Block(GgmlType type, ReadOnlySpan<byte> block, Span<float> values)
    {
        switch (type)
        {
            case GgmlType.Q4_0:
                Nibbles(block[2..], default, values, Float16(block), -8, 0);
                break;
            case GgmlType.Q4_1:
                Nibbles(block[4..], default, values, Float16(block), 0, Float16(block[2..]));
                break;
            case GgmlType.Q5_0:
                Nibbles(block[6..], block.Slice(2, 4), values, Float16(block), -16, 0);
                break;
            case GgmlType.Q5_1:
                Nibbles(block[8..], block.Slice(4, 4), values, Float16(block), 0, Float16(block[2..]));
                break;
            case GgmlType.Q8_0:
                var scale = Float16(block);
                for (var i = 0; i < Size; i++)
                    values[i] = (sbyte)block[2 + i] * scale;
                break;
            default:
                GgmlSuperBlocks.Decode(type, block, values);
                break;
        }
    }

    internal static float Float16(ReadOnlySpan<byte> bytes) => (float)BinaryPrimitives.ReadHalfLittleEndian(bytes);

    /// <summary>Low halves of the bytes come first, then high ones; a fifth bit of each stands apart.</summary>
    private static void Nibbles(
        ReadOnlySpan<byte> packed,
        ReadOnlySpan<byte> fifth,
        Span<float> values,
        float scale,
        int shift,
        float minimum
    )
    {
        var high = fifth.IsEmpty ? 0 : BinaryPrimitives.ReadUInt32LittleEndian(fifth);
        for (var i = 0; i < Half; i++)
        {
            var low = (packed[i] & 0xF) | (int)((high >> i) & 1) << 4;
            var up = (packed[i] >> 4) | (int)((high >> (i + Half)) & 1) << 4;
            values[i] = (low + shift) * scale + minimum;
            values[i + Half] = (up + shift) * scale + minimum;
        }
    }
}
