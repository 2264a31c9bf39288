using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Checkpoints;

/// <summary>A safetensors file opened by memory map: tensors are views into the mapping, pages are read when touched.</summary>
public sealed class SafetensorsFile : ITensorFile
{
    private readonly Dictionary<ScalarType, Tensor> _maps = [];

    private SafetensorsFile(string path, SafetensorsHeader header)
    {
        Path = path;
        Header = header;
    }

    /// <summary>Where the file is.</summary>
    public string Path { get; }

    /// <summary>Names, dtypes, shapes and offsets.</summary>
    public SafetensorsHeader Header { get; }

    /// <summary>Opens and checks a file without reading its tensors.</summary>
    /// <exception cref="DfpoException">See <see cref="SafetensorsHeader.Read"/>.</exception>
    public static SafetensorsFile Open(string path) => new(path, SafetensorsHeader.Read(path));

    /// <inheritdoc/>
    public IEnumerable<string> Names => Header.Entries.Keys;

    /// <inheritdoc/>
    public TensorEntry Entry(string name) => Find(name);

    /// <inheritdoc/>
    public Tensor Get(string name)
    {
        var entry = Find(name);
        var dtype = Dtypes.Parse(entry.Dtype);
        var elementSize = SafetensorsHeader.ElementSize(entry.Dtype);
        if (entry.Length == 0)
            return empty(entry.Shape, dtype);
        return entry.Offset % elementSize == 0 ? View(entry, dtype, elementSize) : Copy(entry, dtype);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var map in _maps.Values)
            map.Dispose();
        _maps.Clear();
    }

    private SafetensorsEntry Find(string name) =>
        Header.Entries.TryGetValue(name, out var entry)
            ? entry
            : throw new DfpoException("checkpoint/missing-tensor", $"'{Path}' holds no tensor '{name}'.");

    private Tensor View(SafetensorsEntry entry, ScalarType dtype, int elementSize)
    {
        if (!_maps.TryGetValue(dtype, out var map))
        {
            map = from_file(Path, shared: false, FileLength.Of(Path) / elementSize, dtype).DetachFromDisposeScope();
            _maps.Add(dtype, map);
        }
        var strides = new long[entry.Shape.Length];
        var stride = 1L;
        for (var d = strides.Length - 1; d >= 0; d--)
        {
            strides[d] = stride;
            stride *= entry.Shape[d];
        }
        return map.as_strided(entry.Shape, strides, entry.Offset / elementSize);
    }

    /// <summary>For headers that leave the data unaligned, which the format allows.</summary>
    private Tensor Copy(SafetensorsEntry entry, ScalarType dtype)
    {
        var tensor = empty(entry.Shape, dtype);
        using var stream = File.OpenRead(Path);
        stream.Position = entry.Offset;
        stream.ReadExactly(tensor.bytes);
        return tensor;
    }
}
