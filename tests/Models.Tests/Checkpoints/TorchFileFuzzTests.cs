using System.IO.Compression;
using DfPO.Models.Checkpoints;
using DfPO.Models.Tests.Support;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Tests.Checkpoints;

/// <summary>Thousands of broken files: each ends in one clear error, or in tensors no larger than the file.</summary>
public sealed class TorchFileFuzzTests : IDisposable
{
    private const int Rounds = 2500;
    private readonly TestFolder _folder = new();
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose()
    {
        _scope.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void MutatedArchives()
    {
        var good = TorchFileWriter.Write(Tensors(), legacy: false);

        Survive(seed => Mutations.Mutate(good, seed, 1500));
    }

    [Fact]
    public void MutatedOlderFiles()
    {
        var good = TorchFileWriter.Write(Tensors(), legacy: true);

        Survive(seed => Mutations.Mutate(good, seed, 1200));
    }

    [Fact]
    public void MutatedPicklesInGoodArchives()
    {
        using var archive = new ZipArchive(new MemoryStream(TorchFileWriter.Write(Tensors(), legacy: false)));
        byte[] Bytes(ZipArchiveEntry entry)
        {
            using var copy = new MemoryStream();
            using var stream = entry.Open();
            stream.CopyTo(copy);
            return copy.ToArray();
        }
        var pickle = Bytes(archive.GetEntry("archive/data.pkl")!);
        var storages = archive
            .Entries.Where(entry => entry.FullName.Contains("/data/"))
            .Select(entry => (entry.Name, Bytes(entry)))
            .ToArray();

        Survive(seed => TorchFileWriter.Archive(Mutations.Mutate(pickle, seed, pickle.Length), storages));
    }

    private void Survive(Func<int, byte[]> file)
    {
        var (read, refused, path) = (0, 0, _folder["t.bin"]);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var written = 0L;
        for (var seed = 0; seed < Rounds; seed++)
        {
            var bytes = file(seed);
            written += bytes.Length;
            File.WriteAllBytes(path, bytes);
            try
            {
                using var opened = TorchFile.Open(path);
                foreach (var name in opened.Names)
                {
                    using var tensor = opened.Get(name);
                    Assert.InRange(tensor.numel() * tensor.ElementSize, 0, bytes.Length);
                    Assert.Equal(opened.Entry(name).Shape, tensor.shape);
                }
                read++;
            }
            catch (DfpoException e)
            {
                Assert.Equal("checkpoint/corrupt", e.Code);
                Assert.Contains(path, e.Message);
                refused++;
            }
        }
        Assert.Equal(Rounds, read + refused);
        Assert.InRange(read, 20, Rounds - 200);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1_500_000_000);
    }

    private static Dictionary<string, Tensor> Tensors() =>
        new()
        {
            ["weight"] = arange(150, ScalarType.Float32).view(10, 15),
            ["bias"] = ones([4], ScalarType.BFloat16),
            ["mask"] = ones([1, 5], ScalarType.Bool),
            ["id"] = tensor(7L),
            ["none"] = empty([0]),
        };
}
