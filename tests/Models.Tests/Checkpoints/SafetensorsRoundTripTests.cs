using System.Buffers.Binary;
using DfPO.Models.Checkpoints;
using TorchSharp;
using static DfPO.Models.Tests.Support.TensorAssert;
using static TorchSharp.torch;

namespace DfPO.Models.Tests.Checkpoints;

public sealed class SafetensorsRoundTripTests : IDisposable
{
    private static readonly ScalarType[] s_types =
    [
        ScalarType.Float64,
        ScalarType.Float32,
        ScalarType.Float16,
        ScalarType.BFloat16,
        ScalarType.Int64,
        ScalarType.Int32,
        ScalarType.Int16,
        ScalarType.Int8,
        ScalarType.Byte,
        ScalarType.Bool,
    ];

    private readonly TestFolder _folder = new();
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose()
    {
        _scope.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void EveryDtypeComesBackBitForBitAlignedOrNot(bool unaligned)
    {
        var tensors = Tensors();
        var path = Path.Combine(_folder.Path, "t.safetensors");
        SafetensorsWriter.Write(path, tensors);
        if (unaligned)
            File.WriteAllBytes(path, SafetensorsBytes.Unaligned(File.ReadAllBytes(path)));

        using var file = SafetensorsFile.Open(path);

        Assert.Equal(tensors.Keys.Order(), file.Header.Entries.Keys.Order());
        Assert.Equal("pt", file.Header.Metadata["format"]);
        foreach (var (name, tensor) in tensors)
            Same(tensor, file.Get(name));
        Assert.Contains(file.Header.Entries.Values, entry => entry.Offset % SafetensorsHeader.ElementSize(entry.Dtype) == 0 ^ unaligned);
    }

    [Fact]
    public void TheHeaderEndsOnEightBytesAndTheFileWithItsData()
    {
        using var stream = new MemoryStream();
        SafetensorsWriter.Write(stream, Tensors());

        var header = (long)BinaryPrimitives.ReadUInt64LittleEndian(stream.ToArray());
        Assert.Equal(0, header % 8);
        Assert.Equal(8 + header + Tensors().Values.Sum(t => t.numel() * t.ElementSize), stream.Length);
    }

    [Fact]
    public void TheSameTensorsGiveTheSameBytesInWhateverOrder()
    {
        using MemoryStream a = new(),
            b = new();
        SafetensorsWriter.Write(a, Tensors());
        SafetensorsWriter.Write(b, Tensors().Reverse().ToDictionary());

        Assert.Equal(a.ToArray(), b.ToArray());
    }

    [Fact]
    public void ViewsAreWrittenAsTheyRead()
    {
        var whole = arange(24, ScalarType.Float32).view(4, 6);
        var path = Path.Combine(_folder.Path, "t.safetensors");
        SafetensorsWriter.Write(
            path,
            new Dictionary<string, Tensor>
            {
                ["transposed"] = whole.t(),
                ["column"] = whole.select(1, 2),
                ["every second"] = whole[torch.TensorIndex.Slice(step: 2)],
            }
        );

        using var file = SafetensorsFile.Open(path);

        Same(whole.t().contiguous(), file.Get("transposed"));
        Same(whole.select(1, 2).contiguous(), file.Get("column"));
        Same(whole.index_select(0, tensor(new[] { 0L, 2 })), file.Get("every second"));
        Assert.False(File.Exists(path + ".partial"));
    }

    [Fact]
    public void WhatIsReadMayBeWrittenToWithoutChangingTheFile()
    {
        var path = Path.Combine(_folder.Path, "t.safetensors");
        SafetensorsWriter.Write(path, Tensors());
        var before = File.ReadAllBytes(path);

        using (var file = SafetensorsFile.Open(path))
            file.Get("Float32").fill_(9f);

        Assert.Equal(before, File.ReadAllBytes(path));
    }

    [Fact]
    public void ATensorThatIsNotThereIsNamed()
    {
        var path = Path.Combine(_folder.Path, "t.safetensors");
        SafetensorsWriter.Write(path, Tensors());
        using var file = SafetensorsFile.Open(path);

        Assert.Equal("checkpoint/missing-tensor", CodeOf(() => file.Get("nowhere"), "nowhere", path));
    }

    private static Dictionary<string, Tensor> Tensors()
    {
        var tensors = s_types.ToDictionary(type => type.ToString(), type => (arange(-7, 8, ScalarType.Float32) * 3.7).to(type).view(3, 5));
        tensors["scalar"] = tensor(2.5f);
        tensors["empty"] = empty([0, 3], ScalarType.Int64);
        tensors["ö \"quoted\""] = tensor(new[] { 1L, -1 });
        return tensors;
    }
}
