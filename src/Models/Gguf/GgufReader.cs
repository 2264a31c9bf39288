using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace DfPO.Models.Gguf;

/// <summary>Reads the parts of a GGUF header, none of which may be longer than what is left of the file.</summary>
/// <param name="stream">The file.</param>
/// <param name="path">Its path, for errors.</param>
internal sealed class GgufReader(Stream stream, string path)
{
    private static readonly UTF8Encoding s_utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
    private readonly byte[] _number = new byte[8];

    public long Position => stream.Position;

    public uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Number(4));

    public ulong UInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Number(8));

    /// <summary>A count of things that take at least <paramref name="bytes"/> each.</summary>
    public int Count(int bytes, string what)
    {
        var count = UInt64();
        return count <= (ulong)((stream.Length - stream.Position) / bytes) && count <= int.MaxValue
            ? (int)count
            : throw Corrupt($"it claims {count} {what}, more than the file has room for");
    }

    public string Text(string what)
    {
        var bytes = new byte[Count(1, $"bytes of {what}")];
        stream.ReadExactly(bytes);
        try
        {
            return s_utf8.GetString(bytes);
        }
        catch (DecoderFallbackException e)
        {
            throw Corrupt($"{what} is not UTF-8", e);
        }
    }

    /// <summary>A value of a metadata type: a number as long or double, a truth value, a text, or an array of these.</summary>
    public object Value(uint type, string key) =>
        type switch
        {
            0 => (object)(long)Number(1)[0],
            1 => (long)(sbyte)Number(1)[0],
            2 => (long)BinaryPrimitives.ReadUInt16LittleEndian(Number(2)),
            3 => (long)BinaryPrimitives.ReadInt16LittleEndian(Number(2)),
            4 => (long)UInt32(),
            5 => (long)BinaryPrimitives.ReadInt32LittleEndian(Number(4)),
            6 => Decimal(BinaryPrimitives.ReadSingleLittleEndian(Number(4))),
            7 => Number(1)[0] is var flag && flag <= 1 ? flag == 1 : throw Corrupt($"'{key}' is neither true nor false"),
            8 => Text($"'{key}'"),
            9 => Array(key),
            10 => UInt64() is var whole && whole <= long.MaxValue
                ? (object)(long)whole
                : throw Corrupt($"'{key}' is {whole}, beyond any use"),
            11 => BinaryPrimitives.ReadInt64LittleEndian(Number(8)),
            12 => BinaryPrimitives.ReadDoubleLittleEndian(Number(8)),
            _ => throw Corrupt($"'{key}' is of type {type}, which GGUF does not have"),
        };

    public DfpoException Corrupt(string why, Exception? inner = null) =>
        new("checkpoint/corrupt", $"'{path}' cannot be read: {why}. Fetch the file again.", inner);

    private object[] Array(string key)
    {
        var type = UInt32();
        var bytes = type switch
        {
            0 or 1 or 7 => 1,
            2 or 3 => 2,
            4 or 5 or 6 => 4,
            8 or 10 or 11 or 12 => 8,
            _ => throw Corrupt($"'{key}' is an array of type {type}, which is not read"),
        };
        var items = new object[Count(bytes, $"items of '{key}'")];
        for (var i = 0; i < items.Length; i++)
            items[i] = Value(type, key);
        return items;
    }

    /// <summary>The number that was meant: 1e-5, and not the nearest float32's value.</summary>
    private static double Decimal(float value) =>
        double.Parse(value.ToString("R", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);

    private ReadOnlySpan<byte> Number(int bytes)
    {
        if (stream.Length - stream.Position < bytes)
            throw Corrupt("it ends in the middle of its header");
        stream.ReadExactly(_number, 0, bytes);
        return _number;
    }
}
