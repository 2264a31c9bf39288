using System.Buffers.Binary;
using DfPO.Models.Checkpoints;
using TorchSharp;
using static DfPO.Models.Tests.Checkpoints.SafetensorsBytes;
using static DfPO.Models.Tests.Support.Mutations;
using static TorchSharp.torch;

namespace DfPO.Models.Tests.Checkpoints;

/// <summary>Broken and hostile files end in one clear error, before anything is allocated for them.</summary>
public sealed class SafetensorsHostileTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string, string, int, string> Headers =>
        new()
        {
            { "not JSON", "{\"a\":", 4, "header" },
            { "not an object", "[1,2,3]", 0, "header" },
            { "entry is a number", "{\"a\":3}", 0, "header" },
            { "no dtype", "{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "header" },
            { "no shape", "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "header" },
            { "no offsets", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "header" },
            { "metadata is a list", "{\"__metadata__\":[]}", 0, "header" },
            { "metadata value is a number", "{\"__metadata__\":{\"format\":1}}", 0, "header" },
            { "unknown dtype", $"{{{Entry("a", "F8_E4M3", "[4]", 0, 4)}}}", 4, "F8_E4M3" },
            { "dtype null", "{\"a\":{\"dtype\":null,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "'a'" },
            { "three offsets", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", 4, "data_offsets" },
            { "fractional offset", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4.5]}}", 4, "header" },
            { "fractional size", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,6]}}", 6, "header" },
            { "negative size", $"{{{Entry("a", "F32", "[-1]", 0, 4)}}}", 4, "shape" },
            { "two negative sizes", $"{{{Entry("a", "F32", "[-1,-1]", 0, 4)}}}", 4, "shape" },
            { "negative offset", $"{{{Entry("a", "F32", "[1]", -4, 0)}}}", 4, "bytes" },
            { "offsets the wrong way round", $"{{{Entry("a", "F32", "[1]", 4, 0)}}}", 4, "bytes" },
            { "beyond the end", $"{{{Entry("a", "F32", "[2]", 0, 8)}}}", 4, "'a'" },
            { "far beyond the end", $"{{{Entry("a", "F32", "[2]", long.MaxValue - 8, long.MaxValue)}}}", 4, "'a'" },
            { "offset of 65 bits", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,18446744073709551620]}}", 4, "header" },
            { "size does not fit the dtype", $"{{{Entry("a", "F64", "[1]", 0, 4)}}}", 4, "needs 8 bytes but has 4" },
            { "size overflows 64 bits", $"{{{Entry("a", "F32", "[4294967296,4294967296]", 0, 0)}}}", 0, "header" },
            { "size overflows to what is there", $"{{{Entry("a", "F32", "[4611686018427387905]", 0, 4)}}}", 4, "header" },
            { "too many dimensions", $"{{{Entry("a", "F32", "[1,1,1,1,1,1,1,1,1]", 0, 4)}}}", 4, "shape" },
            { "listed twice", $"{{{Entry("a", "F32", "[1]", 0, 4)},{Entry("a", "F32", "[1]", 4, 8)}}}", 8, "twice" },
            { "overlap", $"{{{Entry("a", "F32", "[2]", 0, 8)},{Entry("b", "F32", "[2]", 4, 12)}}}", 12, "'b'" },
            { "the same bytes twice", $"{{{Entry("a", "F32", "[1]", 0, 4)},{Entry("b", "F32", "[1]", 0, 4)}}}", 4, "'b'" },
            { "hole at the start", $"{{{Entry("a", "F32", "[1]", 4, 8)}}}", 8, "'a'" },
            { "hole in the middle", $"{{{Entry("a", "F32", "[1]", 0, 4)},{Entry("b", "F32", "[1]", 8, 12)}}}", 12, "'b'" },
            { "bytes of no tensor at the end", $"{{{Entry("a", "F32", "[1]", 0, 4)}}}", 5, "1 bytes at its end" },
            { "name that is no text", "{\"\\ud800\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "header" },
            { "nested a thousand deep", new string('[', 1000) + new string(']', 1000), 0, "header" },
            { "empty header", "", 0, "header" },
        };

    [Theory]
    [MemberData(nameof(Headers))]
    public void ABrokenHeaderIsRefused(string what, string header, int dataBytes, string word)
    {
        var path = Write(Build(header, dataBytes));

        var code = CodeOf(() => SafetensorsFile.Open(path).Dispose(), path, word);

        Assert.True(code == "checkpoint/corrupt", what);
    }

    [Theory]
    [InlineData(10ul)]
    [InlineData(99_999_999ul)]
    [InlineData(100_000_001ul)]
    [InlineData((ulong)long.MaxValue)]
    [InlineData(ulong.MaxValue)]
    public void AHeaderLengthBeyondTheFileIsRefusedWithoutAllocatingIt(ulong claimed)
    {
        var path = Write(Build("{}", 0, claimed));
        var before = GC.GetAllocatedBytesForCurrentThread();

        Assert.Equal("checkpoint/corrupt", CodeOf(() => SafetensorsFile.Open(path).Dispose(), path, $"{claimed} bytes"));

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1_000_000);
    }

    [Fact]
    public void ATruncatedFileIsRefusedWhereverItEnds()
    {
        var whole = Good();
        var header = 8 + (int)BinaryPrimitives.ReadUInt64LittleEndian(whole);
        foreach (var length in Enumerable.Range(0, header + 9).Concat([(header + whole.Length) / 2, whole.Length - 1]))
        {
            var path = Write(whole[..length]);
            Assert.Equal("checkpoint/corrupt", CodeOf(() => SafetensorsFile.Open(path).Dispose(), path));
        }
    }

    [Fact]
    public void AFileThatIsNotThereIsNamed() =>
        Assert.Equal("checkpoint/missing-file", CodeOf(() => SafetensorsFile.Open(Path.Combine(_folder.Path, "none")), "none"));

    [Theory]
    [InlineData("[0]")]
    [InlineData("[0,4294967296]")]
    [InlineData("[3,0,2]")]
    public void AnEmptyTensorHasNoBytesAndItsShape(string shape)
    {
        var path = Write(Build($"{{{Entry("a", "F32", shape, 0, 0)},{Entry("b", "U8", "[1]", 0, 1)}}}", 1));
        using var file = SafetensorsFile.Open(path);
        using var tensor = file.Get("a");

        Assert.Equal(shape, $"[{string.Join(',', tensor.shape)}]");
        Assert.Equal(0, tensor.numel());
    }

    [Fact]
    public void ThousandsOfMutationsEndInAnErrorOrInAReadOfWhatTheFileHolds()
    {
        var (good, refused, read) = (Good(), 0, 0);
        using var scope = NewDisposeScope();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var seed = 0; seed < 3000; seed++)
        {
            var path = Write(Mutate(good, seed, 300));
            try
            {
                using var file = SafetensorsFile.Open(path);
                var total = 0L;
                foreach (var (name, entry) in file.Header.Entries)
                {
                    using var tensor = file.Get(name);
                    using var copy = tensor.clone();
                    Assert.Equal(entry.Length, copy.bytes.Length);
                    total += copy.bytes.Length;
                }
                Assert.InRange(total, 0, new FileInfo(path).Length);
                read++;
            }
            catch (DfpoException e)
            {
                Assert.Equal("checkpoint/corrupt", e.Code);
                refused++;
            }
        }
        Assert.InRange(read, 150, 2850);
        Assert.Equal(3000, read + refused);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 600_000_000);
    }

    private static byte[] Good()
    {
        using var scope = NewDisposeScope();
        using var stream = new MemoryStream();
        SafetensorsWriter.Write(
            stream,
            new Dictionary<string, Tensor>
            {
                ["weight"] = arange(600, ScalarType.Float32).view(30, 20),
                ["bias"] = ones([4], ScalarType.BFloat16),
                ["mask"] = ones([1, 5], ScalarType.Bool),
                ["id"] = tensor(7L),
                ["none"] = empty([0]),
            }
        );
        return stream.ToArray();
    }

    private string Write(byte[] bytes)
    {
        var path = Path.Combine(_folder.Path, "t.safetensors");
        File.WriteAllBytes(path, bytes);
        return path;
    }
}
