using System.Buffers.Binary;
using System.Security.Cryptography;
using Blake3;

namespace DfPO.Actors.Weights;

/// <summary>
/// The identity of weights: SHA-256 over length, chunk size and the BLAKE3 checksum of every chunk. So who has checked each chunk has
/// checked the whole, and chunks are checked in any order on any thread. Nobody can make other bytes of the same identity: weights are what
/// their reference says, whoever relays them.
/// </summary>
public static class WeightsDigest
{
    /// <summary>Bytes of a chunk's checksum.</summary>
    public const int ChecksumBytes = 32;

    /// <summary>Chunk size of every digest that two processes compare.</summary>
    public const int DefaultChunkSize = 1 << 19;

    /// <summary>Number of chunks; the last may be shorter.</summary>
    public static int Chunks(long length, int chunkSize) => checked((int)((length + chunkSize - 1) / chunkSize));

    /// <summary>Writes the checksum of a chunk.</summary>
    public static void Checksum(ReadOnlySpan<byte> chunk, Span<byte> destination) => Hasher.Hash(chunk, destination[..ChecksumBytes]);

    /// <summary>Whether a chunk has a checksum.</summary>
    public static bool Matches(ReadOnlySpan<byte> chunk, ReadOnlySpan<byte> checksum)
    {
        Span<byte> found = stackalloc byte[ChecksumBytes];
        Checksum(chunk, found);
        return found.SequenceEqual(checksum);
    }

    /// <summary>The digest of the whole, lower-case hexadecimal.</summary>
    /// <param name="length">Bytes of the whole.</param>
    /// <param name="chunkSize">Bytes of a chunk.</param>
    /// <param name="checksums">The chunks' checksums in order.</param>
    public static string Of(long length, int chunkSize, ReadOnlySpan<byte> checksums)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> prefix = stackalloc byte[12];
        BinaryPrimitives.WriteInt64LittleEndian(prefix, length);
        BinaryPrimitives.WriteInt32LittleEndian(prefix[8..], chunkSize);
        hash.AppendData(prefix);
        hash.AppendData(checksums);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
