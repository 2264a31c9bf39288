using System.Buffers.Binary;

namespace DfPO.Models.Gguf;

/// <summary>
/// Super-blocks of 256 elements ("k-quants") as numbers: small groups have scales of a few bits, the block has a scale for these. Source:
/// the reference functions <c>dequantize_row_*_K</c> of ggml.
/// </summary>
internal static class GgmlSuperBlocks
{
    /// <summary>The 256 numbers of one block.</summary>
    public static void Decode(GgmlType type, ReadOnlySpan<byte> block, Span<float> values)
    {
        switch (type)
        {
            case GgmlType.Q2_K:
                Two(block, values);
                break;
            case GgmlType.Q3_K:
                Three(block, values);
                break;
            case GgmlType.Q4_K:
                FourOrFive(block[4..16], default, block[16..], values, GgmlBlocks.Float16(block), GgmlBlocks.Float16(block[2..]));
                break;
            case GgmlType.Q5_K:
                FourOrFive(block[4..16], block[16..48], block[48..], values, GgmlBlocks.Float16(block), GgmlBlocks.Float16(block[2..]));
                break;
            default:
                Six(block, values);
                break;
        }
    }

    private static void Two(ReadOnlySpan<byte> block, Span<float> values)
    {
        ReadOnlySpan<byte> scales = block[..16],
            bits = block[16..80];
        float scale = GgmlBlocks.Float16(block[80..]),
            minimum = GgmlBlocks.Float16(block[82..]);
        for (var i = 0; i < values.Length; i++)
        {
            // 128 elements lie over 32 bytes, 2 bits of a byte after the other.
            var group = scales[i / 16];
            var value = (bits[(i / 128 * 32) + (i % 32)] >> (i % 128 / 32 * 2)) & 3;
            values[i] = scale * (group & 0xF) * value - minimum * (group >> 4);
        }
    }

    private static void Three(ReadOnlySpan<byte> block, Span<float> values)
    {
        ReadOnlySpan<byte> high = block[..32],
            bits = block[32..96],
            packed = block[96..108];
        var scale = GgmlBlocks.Float16(block[108..]);
        for (var i = 0; i < values.Length; i++)
        {
            var group = i / 16;
            var low = group < 8 ? packed[group] & 0xF : packed[group - 8] >> 4;
            var factor = (low | ((packed[8 + (group % 4)] >> (group / 4 * 2)) & 3) << 4) - 32;
            var value = (bits[(i / 128 * 32) + (i % 32)] >> (i % 128 / 32 * 2)) & 3;
            var isHigh = ((high[i % 32] >> (i / 32)) & 1) != 0;
            values[i] = scale * factor * (value - (isHigh ? 0 : 4));
        }
    }

    private static void FourOrFive(
        ReadOnlySpan<byte> scales,
        ReadOnlySpan<byte> fifth,
        ReadOnlySpan<byte> bits,
        Span<float> values,
        float scale,
        float minimum
    )
    {
        for (var group = 0; group < 8; group++)
        {
            var (factor, offset) =
                group < 4
                    ? (scales[group] & 63, scales[group + 4] & 63)
                    : ((scales[group + 4] & 0xF) | (scales[group - 4] >> 6) << 4, (scales[group + 4] >> 4) | (scales[group] >> 6) << 4);
            float factors = scale * factor,
                offsets = minimum * offset;
            for (var i = 0; i < 32; i++)
            {
                var value = (bits[(group / 2 * 32) + i] >> (group % 2 * 4)) & 0xF;
                if (!fifth.IsEmpty)
                    value |= ((fifth[i] >> group) & 1) << 4;
                values[(group * 32) + i] = factors * value - offsets;
            }
        }
    }

    private static void Six(ReadOnlySpan<byte> block, Span<float> values)
    {
        ReadOnlySpan<byte> low = block[..128],
            high = block[128..192],
            scales = block[192..208];
        var scale = GgmlBlocks.Float16(block[208..]);
        for (var i = 0; i < values.Length; i++)
        {
            // 128 elements lie over 64 bytes of low halves and 32 of high pairs.
            int half = i / 128,
                quarter = i % 128 / 32,
                at = i % 32;
            var nibble = (low[(half * 64) + (quarter % 2 * 32) + at] >> (quarter / 2 * 4)) & 0xF;
            var pair = (high[(half * 32) + at] >> (quarter * 2)) & 3;
            values[i] = scale * (sbyte)scales[i / 16] * ((nibble | pair << 4) - 32);
        }
    }
}
