using System.Buffers.Binary;
using System.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Tests.Checkpoints;

/// <summary>Writes pickles operation by operation, right or wrong, as <c>torch.save</c> writes those of a state dict.</summary>
internal sealed class PickleBytes
{
    private readonly MemoryStream _bytes = new();

    public static PickleBytes Protocol2 => new PickleBytes().Raw(0x80, 2);

    public byte[] Done() => Raw('.')._bytes.ToArray();

    public byte[] Unfinished() => _bytes.ToArray();

    public PickleBytes Raw(params ReadOnlySpan<int> operations)
    {
        foreach (var operation in operations)
            _bytes.WriteByte((byte)operation);
        return this;
    }

    public PickleBytes Global(string module, string name)
    {
        _bytes.Write(Encoding.ASCII.GetBytes($"c{module}\n{name}\n"));
        return this;
    }

    public PickleBytes Text(string text)
    {
        var utf8 = Encoding.UTF8.GetBytes(text);
        Raw('X');
        Little(utf8.Length);
        _bytes.Write(utf8);
        return this;
    }

    /// <summary>A number in the shortest of the usual ways.</summary>
    public PickleBytes Number(long number)
    {
        if (number is >= 0 and <= 255)
            return Raw('K', (int)number);
        if (number is >= int.MinValue and <= int.MaxValue)
        {
            Raw('J');
            Little((int)number);
            return this;
        }
        Raw(0x8a, 8);
        Span<byte> wide = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(wide, number);
        _bytes.Write(wide);
        return this;
    }

    public PickleBytes Tuple(params ReadOnlySpan<long> numbers)
    {
        Raw('(');
        foreach (var number in numbers)
            Number(number);
        return Raw('t');
    }

    public PickleBytes EmptyOrdered() => Global("collections", "OrderedDict").Raw(')', 'R');

    public PickleBytes Storage(string type, string key, long count, bool legacy)
    {
        Raw('(').Text("storage").Global("torch", type).Text(key).Text("cpu").Number(count);
        return (legacy ? Raw('N') : this).Raw('t', 'Q');
    }

    /// <summary>A call of <c>_rebuild_tensor_v2</c>.</summary>
    public PickleBytes View(string type, string key, long count, long offset, long[] shape, long[] strides, bool legacy = false) =>
        Global("torch._utils", "_rebuild_tensor_v2")
            .Raw('(')
            .Storage(type, key, count, legacy)
            .Number(offset)
            .Tuple(shape)
            .Tuple(strides)
            .Raw(0x89)
            .EmptyOrdered()
            .Raw('t', 'R');

    /// <summary>Name of PyTorch's storage class.</summary>
    public static string StorageType(ScalarType dtype) =>
        dtype switch
        {
            ScalarType.Float64 => "DoubleStorage",
            ScalarType.Float32 => "FloatStorage",
            ScalarType.Float16 => "HalfStorage",
            ScalarType.BFloat16 => "BFloat16Storage",
            ScalarType.Int64 => "LongStorage",
            ScalarType.Int32 => "IntStorage",
            ScalarType.Int16 => "ShortStorage",
            ScalarType.Int8 => "CharStorage",
            ScalarType.Byte => "ByteStorage",
            _ => "BoolStorage",
        };

    private void Little(int number)
    {
        Span<byte> four = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(four, number);
        _bytes.Write(four);
    }
}
