using System.IO.Compression;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Tests.Checkpoints;

/// <summary>Writes the two forms of <c>torch.save</c>, for there is no PyTorch in the tests.</summary>
internal static class TorchFileWriter
{
    private static readonly byte[] s_magic = [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, (byte)'.'];

    /// <summary>A state dict of contiguous tensors, as an ordered dictionary with its version numbers.</summary>
    public static byte[] Write(IReadOnlyDictionary<string, Tensor> tensors, bool legacy)
    {
        var pickle = PickleBytes.Protocol2.EmptyOrdered().Raw('(');
        foreach (var ((name, tensor), index) in tensors.Zip(Enumerable.Range(0, tensors.Count)))
            pickle
                .Text(name)
                .View(PickleBytes.StorageType(tensor.dtype), $"{index}", tensor.numel(), 0, tensor.shape, tensor.stride(), legacy);
        pickle.Raw('u', '}').Text("_metadata").EmptyOrdered().Raw('s', 'b');
        var storages = tensors
            .Values.Select((tensor, index) => ($"{index}", tensor.numel(), tensor.contiguous().bytes.ToArray()))
            .ToArray();
        return legacy
            ? Legacy(pickle.Done(), storages)
            : Archive(pickle.Done(), [.. storages.Select(storage => (storage.Item1, storage.Item3))]);
    }

    public static byte[] Archive(
        byte[] pickle,
        (string Key, byte[] Bytes)[] storages,
        CompressionLevel compression = CompressionLevel.NoCompression,
        string byteOrder = "little"
    )
    {
        using var stream = new MemoryStream();
        using (var archive = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            Add("archive/data.pkl", pickle);
            Add("archive/byteorder", System.Text.Encoding.ASCII.GetBytes(byteOrder));
            foreach (var (key, bytes) in storages)
                Add($"archive/data/{key}", bytes);
            Add("archive/version", "3\n"u8.ToArray());

            void Add(string name, byte[] bytes)
            {
                using var entry = archive.CreateEntry(name, name.Contains("/data/") ? compression : CompressionLevel.NoCompression).Open();
                entry.Write(bytes);
            }
        }
        return stream.ToArray();
    }

    public static byte[] Legacy(byte[] pickle, (string Key, long Count, byte[] Bytes)[] storages)
    {
        var system = PickleBytes
            .Protocol2.Raw('}')
            .Text("protocol_version")
            .Number(1001)
            .Raw('s')
            .Text("little_endian")
            .Raw(0x88, 's')
            .Text("type_sizes")
            .Raw('}')
            .Text("short")
            .Number(2)
            .Raw('s', 's')
            .Done();
        var keys = PickleBytes.Protocol2.Raw(']', '(');
        foreach (var (key, _, _) in storages)
            keys.Text(key);
        return
        [
            .. s_magic,
            .. PickleBytes.Protocol2.Raw('M', 0xE9, 0x03).Done(),
            .. system,
            .. pickle,
            .. keys.Raw('e').Done(),
            .. storages.SelectMany(storage => BitConverter.GetBytes(storage.Count).Concat(storage.Bytes)),
        ];
    }
}
