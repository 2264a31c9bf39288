using System.IO.Compression;
using System.Numerics;
using static TorchSharp.torch;

namespace DfPO.Models.Checkpoints;

/// <summary>
/// A file of <c>torch.save</c> that holds a state dict, such as <c>pytorch_model.bin</c>: the zip archive of PyTorch 1.6 and later, or the
/// plain form before it.
/// </summary>
/// <remarks>Nothing in the file is run; see <see cref="PickleReader"/>.</remarks>
public sealed class TorchFile : ITensorFile
{
    private const long MostPickleBytes = 256L << 20;
    private static readonly BigInteger s_legacyMagic = new([0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19]);
    private readonly FileStream _stream;
    private readonly Dictionary<string, PickledTensor> _tensors = [];
    private readonly Dictionary<PickledStorage, Func<Stream>> _storages = [];
    private ZipArchive? _archive;

    private TorchFile(string path) => (Path, _stream) = (path, File.OpenRead(path));

    /// <inheritdoc/>
    public string Path { get; }

    /// <inheritdoc/>
    public IEnumerable<string> Names => _tensors.Keys;

    /// <summary>Opens and checks a file; the tensors' bytes are read when asked for.</summary>
    /// <exception cref="DfpoException"><c>checkpoint/missing-file</c> or <c>checkpoint/corrupt</c>.</exception>
    public static TorchFile Open(string path)
    {
        if (!File.Exists(path))
            throw new DfpoException("checkpoint/missing-file", $"'{path}' does not exist: give the folder of a checkpoint that holds it.");
        LfsPointer.Refuse(path);
        var file = new TorchFile(path);
        try
        {
            if (file.IsArchive())
                file.ReadArchive();
            else
                file.ReadLegacy();
            return file;
        }
        catch (Exception e) when (IsDefect(e))
        {
            file.Dispose();
            throw SafetensorsHeader.Corrupt(path, e.Message.TrimEnd('.'), e);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public TensorEntry Entry(string name) => Find(name) is var tensor ? new TensorEntry(name, tensor.Storage.Dtype, tensor.Shape) : null!;

    /// <inheritdoc/>
    public Tensor Get(string name)
    {
        var tensor = Find(name);
        var dtype = Dtypes.Parse(tensor.Storage.Dtype);
        if (tensor.Extent == 0)
            return empty(tensor.Shape, dtype);
        using var scope = TorchSharp.torch.NewDisposeScope();
        var elements = empty([tensor.Extent], dtype);
        try
        {
            using var bytes = _storages[tensor.Storage]();
            Skip(bytes, tensor.Offset * elements.ElementSize);
            Fill(elements, bytes);
        }
        catch (Exception e) when (IsDefect(e))
        {
            throw SafetensorsHeader.Corrupt(Path, $"the bytes of tensor '{name}' break off ({e.Message.TrimEnd('.')})", e);
        }
        return elements.as_strided(tensor.Shape, tensor.Strides, 0).contiguous().MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _archive?.Dispose();
        _stream.Dispose();
    }

    private static bool IsDefect(Exception e) =>
        e
            is FormatException
                or InvalidDataException
                or EndOfStreamException
                or OverflowException
                or ArgumentException
                or NotSupportedException;

    private PickledTensor Find(string name) =>
        _tensors.TryGetValue(name, out var tensor)
            ? tensor
            : throw new DfpoException("checkpoint/missing-tensor", $"'{Path}' holds no tensor '{name}'.");

    private bool IsArchive()
    {
        Span<byte> first = stackalloc byte[4];
        var archive = _stream.ReadAtLeast(first, 4, throwOnEndOfStream: false) == 4 && first.SequenceEqual("PK\x03\x04"u8);
        _stream.Position = 0;
        return archive;
    }

    private void ReadArchive()
    {
        _archive = new ZipArchive(_stream, ZipArchiveMode.Read, leaveOpen: true);
        var entries = new Dictionary<string, ZipArchiveEntry>();
        foreach (var entry in _archive.Entries)
            if (!entries.TryAdd(entry.FullName, entry))
                throw new FormatException($"its archive has two entries '{entry.FullName}'");
        const string Pickle = "data.pkl";
        var found = entries
            .Keys.Where(name => name == Pickle || (name.EndsWith("/" + Pickle, StringComparison.Ordinal) && name.Count(c => c == '/') == 1))
            .ToArray();
        if (found is not [var pickle])
            throw new FormatException($"its archive has {found.Length} entries {Pickle} where a state dict has one");
        var prefix = pickle[..^Pickle.Length];
        if (
            entries.TryGetValue(prefix + "byteorder", out var order)
            && Whole(order, 16) is var bytes
            && !bytes.AsSpan().SequenceEqual("little"u8)
        )
            throw new FormatException("its numbers are not little-endian");
        Describe(new PickleReader(new MemoryStream(Whole(entries[pickle], MostPickleBytes))).Read());
        foreach (var (name, tensor) in _tensors)
            if (!_storages.ContainsKey(tensor.Storage))
                _storages.Add(tensor.Storage, Source(entries, prefix, name, tensor.Storage));
    }

    private static Func<Stream> Source(Dictionary<string, ZipArchiveEntry> entries, string prefix, string name, PickledStorage storage)
    {
        if (!entries.TryGetValue($"{prefix}data/{storage.Key}", out var entry))
            throw new FormatException($"its archive has no entry '{prefix}data/{storage.Key}' with the bytes of tensor '{name}'");
        if (entry.Length != entry.CompressedLength)
            throw new FormatException($"the bytes of tensor '{name}' are compressed, which torch.save does not do");
        return entry.Length == storage.Bytes
            ? entry.Open
            : throw new FormatException(
                $"tensor '{name}' needs a storage of {storage.Bytes} bytes ({storage.Count} of {storage.Dtype}) but has {entry.Length}"
            );
    }

    private byte[] Whole(ZipArchiveEntry entry, long most)
    {
        if (entry.Length != entry.CompressedLength || entry.Length > most || entry.Length > _stream.Length)
            throw new FormatException($"its entry '{entry.FullName}' claims {entry.Length} bytes");
        var bytes = new byte[(int)entry.Length];
        using var stream = entry.Open();
        stream.ReadExactly(bytes);
        return bytes;
    }

    /// <summary>
    /// Four pickles (magic number, protocol, system, state dict), one with the storages' keys in their order, then each storage as a count
    /// and its elements.
    /// </summary>
    private void ReadLegacy()
    {
        var reader = new PickleReader(_stream);
        if (reader.Read() is not BigInteger magic || magic != s_legacyMagic)
            throw new FormatException("it is neither a zip archive nor a file of an older torch.save");
        if (reader.Read() is not 1001L)
            throw new FormatException("it has an unknown protocol of torch.save");
        if (reader.Read() is not OrderedDictionary<object, object?> system || system.GetValueOrDefault("little_endian") is not true)
            throw new FormatException("its numbers are not little-endian");
        Describe(reader.Read());
        if (reader.Read() is not List<object?> keys)
            throw new FormatException("it has no list of storages");
        var byKey = _tensors.Values.Select(tensor => tensor.Storage).Distinct().ToLookup(storage => storage.Key);
        Span<byte> count = stackalloc byte[8];
        foreach (var key in keys)
        {
            if (key is not string text || byKey[text].ToArray() is not [var storage] || _storages.ContainsKey(storage))
                throw new FormatException($"its storage '{key}' belongs to no tensor, or to two kinds of them");
            _stream.ReadExactly(count);
            var (claimed, start) = (BitConverter.ToInt64(count), _stream.Position);
            if (claimed != storage.Count || storage.Bytes > _stream.Length - start)
                throw new FormatException(
                    $"its storage '{key}' of {storage.Count} elements of {storage.Dtype} claims {claimed}, and {_stream.Length - start} bytes are left"
                );
            _storages.Add(storage, () => From(start));
            _stream.Position = start + storage.Bytes;
        }
        if (_tensors.FirstOrDefault(pair => !_storages.ContainsKey(pair.Value.Storage)) is { Key: not null } without)
            throw new FormatException($"it has no bytes for tensor '{without.Key}'");
    }

    private FileStream From(long start)
    {
        var stream = File.OpenRead(Path);
        stream.Position = start;
        return stream;
    }

    private void Describe(object? root)
    {
        if (root is not OrderedDictionary<object, object?> state || state.Count == 0)
            throw new FormatException("it holds something else than a dictionary of tensors");
        foreach (var (key, value) in state)
            _tensors.Add(
                key as string ?? throw new FormatException($"its key '{key}' is not the name of a tensor"),
                value as PickledTensor ?? throw new FormatException($"its entry '{key}' is no tensor: only a state dict can be read")
            );
    }

    private static void Skip(Stream stream, long count)
    {
        if (stream.CanSeek)
        {
            stream.Position += count;
            return;
        }
        var buffer = new byte[1 << 16];
        for (; count > 0; count -= Math.Min(count, buffer.Length))
            stream.ReadExactly(buffer.AsSpan(0, (int)Math.Min(count, buffer.Length)));
    }

    /// <summary>In pieces, because a span has at most 2 GiB.</summary>
    private static void Fill(Tensor elements, Stream stream)
    {
        const long Piece = 1 << 27;
        for (long start = 0, total = elements.size(0); start < total; start += Piece)
        {
            using var part = elements.narrow(0, start, Math.Min(Piece, total - start));
            stream.ReadExactly(part.bytes);
        }
    }
}
