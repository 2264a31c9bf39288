using System.Numerics;
using DfPO.Models.Checkpoints;

namespace DfPO.Models.Gguf;

/// <summary>A tensor of a GGUF file.</summary>
/// <param name="Name">Its name in the file.</param>
/// <param name="Type">Type of its elements.</param>
/// <param name="Shape">Its sizes in PyTorch's order, the contiguous one last.</param>
/// <param name="Offset">Where its bytes begin, counted from the first byte of the file.</param>
/// <param name="Length">How many bytes it has.</param>
public sealed record GgufTensor(string Name, GgmlType Type, long[] Shape, long Offset, long Length)
{
    /// <summary>Elements.</summary>
    public long Count => Shape.Aggregate(1L, (count, size) => count * size);
}

/// <summary>The checked header of a GGUF file: metadata and where the tensors lie.</summary>
/// <remarks>Source: the GGUF specification of ggml, versions 2 and 3. A file that breaks it is refused before any tensor is read.</remarks>
public sealed class GgufFile
{
    private const uint Magic = 0x46554747;
    private const int MostDimensions = 4;

    private GgufFile(string path, GgufMetadata metadata, IReadOnlyDictionary<string, GgufTensor> tensors) =>
        (Path, Metadata, Tensors) = (path, metadata, tensors);

    /// <summary>Where the file is.</summary>
    public string Path { get; }

    /// <summary>Everything that is said besides the tensors.</summary>
    public GgufMetadata Metadata { get; }

    /// <summary>The tensors by their names in the file.</summary>
    public IReadOnlyDictionary<string, GgufTensor> Tensors { get; }

    /// <summary>Reads and checks a header.</summary>
    /// <exception cref="DfpoException"><c>checkpoint/missing-file</c>, <c>checkpoint/corrupt</c>, or <c>gguf/unsupported</c> for a version
    /// or type that is not read.</exception>
    public static GgufFile Read(string path)
    {
        if (!File.Exists(path))
            throw new DfpoException("checkpoint/missing-file", $"'{path}' does not exist: give a GGUF file.");
        using var stream = File.OpenRead(path);
        var reader = new GgufReader(stream, path);
        if (stream.Length < 24 || reader.UInt32() != Magic)
            throw reader.Corrupt("it is not a GGUF file");
        var version = reader.UInt32();
        if (version is not (2 or 3))
            throw new DfpoException(
                "gguf/unsupported",
                $"'{path}' is a GGUF file of version {version}: versions 2 and 3, little-endian, are read."
            );
        var tensorCount = reader.Count(24, "tensors");
        var metadata = ReadMetadata(reader, path);
        var alignment = metadata.Integer("general.alignment") ?? 32;
        if (alignment is < 1 or > 65536 || !BitOperations.IsPow2(alignment))
            throw reader.Corrupt($"its alignment of {alignment} is no power of 2 up to 65536");
        var tensors = ReadTensors(reader, path, tensorCount, alignment, stream.Length);
        return new GgufFile(path, metadata, tensors);
    }

    private static GgufMetadata ReadMetadata(GgufReader reader, string path)
    {
        var values = new Dictionary<string, object>();
        for (var left = reader.Count(13, "metadata fields"); left > 0; left--)
        {
            var key = reader.Text("a metadata key");
            if (!values.TryAdd(key, reader.Value(reader.UInt32(), key)))
                throw reader.Corrupt($"'{key}' stands twice in its metadata");
        }
        return new GgufMetadata(path, values);
    }

    private static Dictionary<string, GgufTensor> ReadTensors(GgufReader reader, string path, int count, long alignment, long fileLength)
    {
        var described = Enumerable.Range(0, count).Select(_ => ReadTensor(reader, path, alignment)).ToArray();
        var start = (reader.Position + alignment - 1) / alignment * alignment;
        var (tensors, end, last) = (new Dictionary<string, GgufTensor>(), start, "");
        foreach (var tensor in described.OrderBy(tensor => tensor.Offset).Select(tensor => tensor with { Offset = tensor.Offset + start }))
        {
            if (tensor.Offset > fileLength - tensor.Length)
                throw reader.Corrupt(
                    $"tensor '{tensor.Name}' claims bytes {tensor.Offset} to {tensor.Offset + tensor.Length}, the file has {fileLength}"
                );
            if (tensor.Offset < end)
                throw reader.Corrupt($"tensor '{tensor.Name}' overlaps tensor '{last}'");
            if (!tensors.TryAdd(tensor.Name, tensor))
                throw reader.Corrupt($"tensor '{tensor.Name}' is listed twice");
            (end, last) = (tensor.Offset + tensor.Length, tensor.Name);
        }
        return tensors;
    }

    private static GgufTensor ReadTensor(GgufReader reader, string path, long alignment)
    {
        var name = reader.Text("a tensor's name");
        var dimensions = reader.UInt32();
        if (dimensions is 0 or > MostDimensions)
            throw reader.Corrupt($"tensor '{name}' has {dimensions} dimensions");
        Int128 elements = 1;
        var shape = new long[dimensions];
        for (var i = shape.Length - 1; i >= 0; i--)
        {
            var size = reader.UInt64();
            shape[i] = (long)size;
            if (size is 0 or > int.MaxValue || (elements *= size) > long.MaxValue / 8)
                throw reader.Corrupt($"tensor '{name}' has an impossible shape");
        }
        var number = reader.UInt32();
        var type = (GgmlType)number;
        if (number > int.MaxValue || !Enum.IsDefined(type))
            throw new DfpoException(
                "gguf/unsupported",
                $"'{path}': tensor '{name}' is of element type {number}, which is not read: {string.Join(", ", Enum.GetNames<GgmlType>())} are. Take a file of one of these."
            );
        var (size0, bytes) = type.Block();
        if (shape[^1] % size0 != 0)
            throw reader.Corrupt($"tensor '{name}' of type {type} has rows of {shape[^1]} elements, which are no blocks of {size0}");
        var offset = reader.UInt64();
        if (offset > long.MaxValue / 2 || (long)offset % alignment != 0)
            throw reader.Corrupt($"tensor '{name}' lies at {offset}, which is no multiple of the alignment {alignment}");
        return new GgufTensor(name, type, shape, (long)offset, (long)(elements / size0 * bytes));
    }
}
