using System.Buffers.Binary;
using ZstdSharp;

namespace DfPO.Actors.Weights;

/// <summary>Reads what <see cref="DeltaPartWriter"/> wrote, part by part.</summary>
/// <param name="encoded">The parts.</param>
/// <param name="decompressor">Unpacks them.</param>
internal ref struct DeltaPartReader(ReadOnlySpan<byte> encoded, Decompressor decompressor)
{
    /// <summary>What has not been read.</summary>
    public ReadOnlySpan<byte> Rest { get; private set; } = encoded;

    /// <summary>Reads a packed part.</summary>
    /// <param name="part">Receives it; as long as it was.</param>
    /// <exception cref="InvalidDataException">It is none, or of another length.</exception>
    public void Unpack(Span<byte> part)
    {
        var packed = Take(Number());
        if (packed.Length == part.Length)
        {
            packed.CopyTo(part);
            return;
        }
        try
        {
            if (decompressor.TryUnwrap(packed, part, out var written) && written == part.Length)
                return;
        }
        catch (ZstdException e)
        {
            throw new InvalidDataException($"The delta of a chunk cannot be decompressed ({e.Message}).", e);
        }
        throw new InvalidDataException("The delta of a chunk has a part of another length than the chunk's.");
    }

    /// <summary>Reads a number.</summary>
    /// <exception cref="InvalidDataException">The bytes end before.</exception>
    public int Number() => BinaryPrimitives.ReadInt32LittleEndian(Take(DeltaPartWriter.NumberBytes));

    /// <summary>Reads bytes as they are.</summary>
    /// <exception cref="InvalidDataException">The bytes end before.</exception>
    public ReadOnlySpan<byte> Take(int length)
    {
        if ((uint)length > (uint)Rest.Length)
            throw new InvalidDataException("The delta of a chunk ends early.");
        var taken = Rest[..length];
        Rest = Rest[length..];
        return taken;
    }
}
