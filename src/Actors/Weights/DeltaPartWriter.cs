using System.Buffers.Binary;
using ZstdSharp;

namespace DfPO.Actors.Weights;

/// <summary>The parts of an encoded chunk one after the other, as long as there is room.</summary>
/// <param name="room">Where they go.</param>
/// <param name="compressor">Packs them.</param>
internal ref struct DeltaPartWriter(Span<byte> room, Compressor compressor)
{
    /// <summary>Bytes of a number.</summary>
    public const int NumberBytes = 4;

    private readonly Span<byte> _room = room;

    /// <summary>Bytes so far.</summary>
    public int Written { get; private set; }

    /// <summary>Writes a part's packed length and its bytes, as they are where zstd does not make them fewer.</summary>
    /// <returns>Whether there was room, as for the other parts.</returns>
    public bool Pack(ReadOnlySpan<byte> part)
    {
        if (_room.Length - Written < NumberBytes)
            return false;
        var rest = _room[(Written + NumberBytes)..];
        if (
            part.Length == 0
            || !compressor.TryWrap(part, rest[..Math.Min(rest.Length, part.Length)], out var length)
            || length >= part.Length
        )
        {
            if (!part.TryCopyTo(rest))
                return false;
            length = part.Length;
        }
        BinaryPrimitives.WriteInt32LittleEndian(_room[Written..], length);
        Written += NumberBytes + length;
        return true;
    }

    /// <summary>Writes a number.</summary>
    public bool Number(int number)
    {
        if (!BinaryPrimitives.TryWriteInt32LittleEndian(_room[Written..], number))
            return false;
        Written += NumberBytes;
        return true;
    }

    /// <summary>Writes bytes whose number the reader knows.</summary>
    public bool Copy(ReadOnlySpan<byte> part)
    {
        if (!part.TryCopyTo(_room[Written..]))
            return false;
        Written += part.Length;
        return true;
    }
}
