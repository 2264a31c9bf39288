using System.Buffers.Binary;
using System.Text.Json;
using static TorchSharp.torch;

namespace DfPO.Models.Checkpoints;

/// <summary>Writes tensors in the safetensors format, deterministically: same tensors, same bytes.</summary>
public static class SafetensorsWriter
{
    /// <summary>Writes a file beside its destination and moves it there, so that a reader never sees half of it.</summary>
    /// <param name="path">Destination; its folder must exist.</param>
    /// <param name="tensors">Tensors by name; they are written in ordinal order of the names, in their own dtype.</param>
    public static void Write(string path, IReadOnlyDictionary<string, Tensor> tensors)
    {
        var partial = path + ".partial";
        using (var stream = File.Create(partial))
        {
            Write(stream, tensors);
            stream.Flush(flushToDisk: true);
        }
        File.Move(partial, path, overwrite: true);
    }

    /// <summary>Writes to a stream; see <see cref="Write(string, IReadOnlyDictionary{string, Tensor})"/>.</summary>
    public static void Write(Stream stream, IReadOnlyDictionary<string, Tensor> tensors)
    {
        var ordered = tensors.OrderBy(pair => pair.Key, StringComparer.Ordinal).ToArray();
        stream.Write(Header([.. ordered.Select(pair => (pair.Key, pair.Value.dtype, pair.Value.shape))]));
        foreach (var (_, tensor) in ordered)
        {
            using var flat = tensor.detach().cpu().contiguous();
            stream.Write(flat.bytes);
        }
    }

    /// <summary>
    /// What comes before the tensors' bytes: the length prefix and the JSON header, padded so that the bytes are aligned to 8.
    /// </summary>
    /// <param name="ordered">Name, dtype and shape of each tensor, in the order of their bytes.</param>
    public static byte[] Header(IReadOnlyList<(string Name, ScalarType Dtype, long[] Shape)> ordered)
    {
        using var buffer = new MemoryStream();
        buffer.Write(new byte[8]);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteStartObject("__metadata__");
            json.WriteString("format", "pt");
            json.WriteEndObject();
            var offset = 0L;
            foreach (var (name, dtype, shape) in ordered)
            {
                var type = Dtypes.Name(dtype);
                var bytes = shape.Aggregate((long)SafetensorsHeader.ElementSize(type), (product, size) => product * size);
                json.WriteStartObject(name);
                json.WriteString("dtype", type);
                json.WriteStartArray("shape");
                foreach (var size in shape)
                    json.WriteNumberValue(size);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(offset);
                json.WriteNumberValue(offset + bytes);
                json.WriteEndArray();
                json.WriteEndObject();
                offset += bytes;
            }
            json.WriteEndObject();
        }
        // Padded with spaces so that the first tensor is aligned and can be mapped.
        while (buffer.Length % 8 != 0)
            buffer.WriteByte((byte)' ');
        var header = buffer.ToArray();
        BinaryPrimitives.WriteUInt64LittleEndian(header, (ulong)(header.Length - 8));
        return header;
    }
}
