using System.Buffers.Binary;
using System.Text;

namespace DfPO.Models.Tests.Checkpoints;

/// <summary>Safetensors files put together by hand, right or wrong.</summary>
internal static class SafetensorsBytes
{
    /// <summary>Length of the header, header, data; the length can be a lie.</summary>
    public static byte[] Build(string header, int dataBytes, ulong? claimedLength = null)
    {
        var json = Encoding.UTF8.GetBytes(header);
        var file = new byte[8 + json.Length + dataBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(file, claimedLength ?? (ulong)json.Length);
        json.CopyTo(file, 8);
        return file;
    }

    /// <summary>One header entry.</summary>
    public static string Entry(string name, string dtype, string shape, long begin, long end) =>
        $"\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":[{begin},{end}]}}";

    /// <summary>The same file with a header one space longer, so that no tensor of more than one byte is aligned.</summary>
    public static byte[] Unaligned(byte[] file)
    {
        var header = (int)BinaryPrimitives.ReadUInt64LittleEndian(file);
        byte[] shifted = [.. file[..(8 + header)], (byte)' ', .. file[(8 + header)..]];
        BinaryPrimitives.WriteUInt64LittleEndian(shifted, (ulong)header + 1);
        return shifted;
    }
}
