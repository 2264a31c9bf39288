using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Gguf;

/// <summary>Writes GGUF files of version 3: metadata, then where the tensors lie, then the tensors.</summary>
/// <remarks>Source: the GGUF specification of ggml.</remarks>
internal static class GgufWriter
{
    private const int Alignment = 32;
    private const uint UInt32 = 4,
        Int32 = 5,
        Float32 = 6,
        Bool = 7,
        Text = 8,
        Array = 9;

    /// <summary>Writes a file.</summary>
    /// <param name="path">Where to.</param>
    /// <param name="metadata">uint, float, bool, string, or an array of int, float or string by key.</param>
    /// <param name="tensors">Names, types and values in PyTorch's order of sizes.</param>
    public static void Write(
        string path,
        IReadOnlyDictionary<string, object> metadata,
        IReadOnlyList<(string Name, GgmlType Type, Tensor Values)> tensors
    )
    {
        using var stream = File.Create(path);
        using var writer = new BinaryWriter(stream);
        writer.Write("GGUF"u8);
        writer.Write(3u);
        writer.Write((ulong)tensors.Count);
        writer.Write((ulong)metadata.Count);
        foreach (var (key, value) in metadata)
        {
            WriteText(writer, key);
            WriteValue(writer, value);
        }
        var offset = 0L;
        foreach (var (name, type, values) in tensors)
        {
            WriteText(writer, name);
            writer.Write((uint)values.shape.Length);
            foreach (var size in values.shape.Reverse())
                writer.Write((ulong)size);
            writer.Write((uint)type);
            writer.Write((ulong)offset);
            var (elements, bytes) = type.Block();
            offset = Padded(offset + (values.numel() / elements * bytes));
        }
        foreach (var (_, type, values) in tensors)
        {
            Pad(writer);
            writer.Write(Encode(type, values));
        }
        Pad(writer);
    }

    /// <summary>Values as a type holds them.</summary>
    /// <param name="type">F32, F16, BF16 or Q8_0.</param>
    /// <param name="values">Any floating dtype; rows of blocks where the type has blocks.</param>
    public static byte[] Encode(GgmlType type, Tensor values)
    {
        using var scope = NewDisposeScope();
        var dtype = type switch
        {
            GgmlType.F16 => ScalarType.Float16,
            GgmlType.BF16 => ScalarType.BFloat16,
            _ => ScalarType.Float32,
        };
        var held = values.to(dtype).cpu().contiguous();
        return type == GgmlType.Q8_0 ? EightBits(MemoryMarshal.Cast<byte, float>(held.bytes)) : held.bytes.ToArray();
    }

    /// <summary>Blocks of a scale and 32 whole numbers up to 127. Source: <c>quantize_row_q8_0_ref</c> of ggml.</summary>
    private static byte[] EightBits(ReadOnlySpan<float> values)
    {
        var (elements, bytes) = GgmlType.Q8_0.Block();
        var packed = new byte[values.Length / elements * bytes];
        for (var i = 0; i < values.Length / elements; i++)
        {
            var block = values.Slice(i * elements, elements);
            var written = packed.AsSpan(i * bytes, bytes);
            var most = 0f;
            foreach (var value in block)
                most = MathF.Max(most, MathF.Abs(value));
            var scale = most / 127;
            var inverse = scale == 0 ? 0 : 1 / scale;
            BinaryPrimitives.WriteHalfLittleEndian(written, (Half)scale);
            for (var j = 0; j < elements; j++)
                written[2 + j] = (byte)(sbyte)MathF.Round(block[j] * inverse, MidpointRounding.AwayFromZero);
        }
        return packed;
    }

    private static void WriteValue(BinaryWriter writer, object value)
    {
        var (type, write) = Scalar(value);
        if (write is not null)
        {
            writer.Write(type);
            write(writer);
            return;
        }
        var items = ((System.Array)value).Cast<object>().ToArray();
        writer.Write(Array);
        writer.Write(
            value switch
            {
                int[] => Int32,
                float[] => Float32,
                _ => Text,
            }
        );
        writer.Write((ulong)items.Length);
        foreach (var item in items)
            Scalar(item).Write!(writer);
    }

    private static (uint Type, Action<BinaryWriter>? Write) Scalar(object value) =>
        value switch
        {
            uint number => (UInt32, writer => writer.Write(number)),
            int number => (Int32, writer => writer.Write(number)),
            float number => (Float32, writer => writer.Write(number)),
            bool flag => (Bool, writer => writer.Write(flag)),
            string text => (Text, writer => WriteText(writer, text)),
            int[] or float[] or string[] => (Array, null),
            _ => throw new ArgumentException($"{value.GetType().Name} has no type in GGUF.", nameof(value)),
        };

    private static void WriteText(BinaryWriter writer, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        writer.Write((ulong)bytes.Length);
        writer.Write(bytes);
    }

    private static long Padded(long length) => (length + Alignment - 1) / Alignment * Alignment;

    private static void Pad(BinaryWriter writer)
    {
        writer.Flush();
        writer.Write(new byte[Padded(writer.BaseStream.Position) - writer.BaseStream.Position]);
    }
}
