using System.Buffers.Binary;
using System.Text.Json;

namespace DfPO.Models.Checkpoints;

/// <summary>One tensor of a safetensors file: where its bytes lie, counted from the first byte of the file.</summary>
public sealed record SafetensorsEntry(string Name, string Dtype, long[] Shape, long Offset, long Length) : TensorEntry(Name, Dtype, Shape);

/// <summary>The checked header of a safetensors file (8 bytes of length, JSON, then the tensors' bytes without holes).</summary>
/// <remarks>Source: the safetensors format specification. A file that breaks it is refused before any tensor is built.</remarks>
public sealed class SafetensorsHeader
{
    /// <summary>The format's own bound on the length of the JSON header.</summary>
    public const long MaxHeaderBytes = 100_000_000;

    private static readonly Dictionary<string, int> s_elementSizes = new()
    {
        ["F64"] = 8,
        ["F32"] = 4,
        ["F16"] = 2,
        ["BF16"] = 2,
        ["I64"] = 8,
        ["I32"] = 4,
        ["I16"] = 2,
        ["I8"] = 1,
        ["U8"] = 1,
        ["BOOL"] = 1,
    };

    private SafetensorsHeader(IReadOnlyDictionary<string, SafetensorsEntry> entries, IReadOnlyDictionary<string, string> metadata)
    {
        Entries = entries;
        Metadata = metadata;
    }

    /// <summary>Tensors by name.</summary>
    public IReadOnlyDictionary<string, SafetensorsEntry> Entries { get; }

    /// <summary>The <c>__metadata__</c> entry; empty when absent.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Bytes of one element of a safetensors dtype.</summary>
    public static int ElementSize(string dtype) => s_elementSizes[dtype];

    /// <summary>Reads and checks the header of <paramref name="path"/>.</summary>
    /// <exception cref="DfpoException"><c>checkpoint/missing-file</c> or <c>checkpoint/corrupt</c>, naming file and tensor.</exception>
    public static SafetensorsHeader Read(string path)
    {
        if (!File.Exists(path))
            throw new DfpoException("checkpoint/missing-file", $"'{path}' does not exist: give the folder of a checkpoint that holds it.");
        LfsPointer.Refuse(path);
        using var stream = File.OpenRead(path);
        Span<byte> prefix = stackalloc byte[8];
        if (stream.ReadAtLeast(prefix, 8, throwOnEndOfStream: false) < 8)
            throw Corrupt(path, "it is shorter than the 8 bytes of a safetensors header length");
        var headerLength = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (headerLength > MaxHeaderBytes || headerLength > (ulong)(stream.Length - 8))
            throw Corrupt(path, $"its header claims {headerLength} bytes, the file has {stream.Length}");
        var json = new byte[(int)headerLength];
        stream.ReadExactly(json);
        try
        {
            return Parse(path, json, 8 + (long)headerLength, stream.Length);
        }
        catch (Exception e)
            when (e is JsonException or InvalidOperationException or FormatException or KeyNotFoundException or OverflowException)
        {
            throw Corrupt(path, $"its header is not a safetensors header ({e.Message})", e);
        }
    }

    private static SafetensorsHeader Parse(string path, byte[] json, long dataStart, long fileLength)
    {
        var entries = new Dictionary<string, SafetensorsEntry>();
        var metadata = new Dictionary<string, string>();
        using var document = JsonDocument.Parse(json);
        foreach (var property in document.RootElement.EnumerateObject())
        {
            if (property.Name == "__metadata__")
            {
                foreach (var pair in property.Value.EnumerateObject())
                    metadata[pair.Name] = pair.Value.GetString() ?? "";
                continue;
            }
            var entry = ParseEntry(path, property, dataStart, fileLength);
            if (!entries.TryAdd(entry.Name, entry))
                throw Corrupt(path, $"tensor '{entry.Name}' is listed twice");
        }
        RequireContiguous(path, entries.Values, dataStart, fileLength);
        return new SafetensorsHeader(entries, metadata);
    }

    private static SafetensorsEntry ParseEntry(string path, JsonProperty property, long dataStart, long fileLength)
    {
        var name = property.Name;
        var dtype = property.Value.GetProperty("dtype").GetString() ?? "";
        if (!s_elementSizes.TryGetValue(dtype, out var elementSize))
            throw Corrupt(path, $"tensor '{name}' has dtype '{dtype}', which is not supported");
        var shape = property.Value.GetProperty("shape").EnumerateArray().Select(d => d.GetInt64()).ToArray();
        if (shape.Length > 8 || shape.Any(d => d < 0))
            throw Corrupt(path, $"tensor '{name}' has an impossible shape");
        var offsets = property.Value.GetProperty("data_offsets");
        if (offsets.GetArrayLength() != 2)
            throw Corrupt(path, $"tensor '{name}' needs two data_offsets");
        long begin = offsets[0].GetInt64(),
            end = offsets[1].GetInt64();
        if (begin < 0 || end < begin || end > fileLength - dataStart)
            throw Corrupt(path, $"tensor '{name}' claims bytes {begin} to {end}, the file holds {fileLength - dataStart}");
        var bytes = shape.Aggregate((long)elementSize, (size, d) => checked(size * d));
        if (bytes != end - begin)
            throw Corrupt(
                path,
                $"tensor '{name}' of shape [{string.Join(", ", shape)}] and dtype {dtype} needs {bytes} bytes but has {end - begin}"
            );
        return new SafetensorsEntry(name, dtype, shape, dataStart + begin, end - begin);
    }

    private static void RequireContiguous(string path, IEnumerable<SafetensorsEntry> entries, long dataStart, long fileLength)
    {
        var expected = dataStart;
        foreach (var entry in entries.OrderBy(e => e.Offset).ThenBy(e => e.Length))
        {
            if (entry.Offset != expected)
                throw Corrupt(path, $"tensor '{entry.Name}' overlaps another or leaves a hole before it");
            expected += entry.Length;
        }
        if (expected != fileLength)
            throw Corrupt(path, $"{fileLength - expected} bytes at its end belong to no tensor");
    }

    internal static DfpoException Corrupt(string path, string why, Exception? inner = null) =>
        new("checkpoint/corrupt", $"'{path}' cannot be read: {why}. Fetch or save the checkpoint again.", inner);
}
