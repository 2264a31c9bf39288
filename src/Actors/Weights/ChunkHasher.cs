using Blake3;

namespace DfPO.Actors.Weights;

/// <summary>The digest of bytes that pass by once.</summary>
internal sealed class ChunkHasher(long length, int chunkSize)
{
    private readonly List<byte> _checksums = [];
    private Hasher _hash = Hasher.New();
    private int _inChunk;

    public void Append(ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            var count = Math.Min(bytes.Length, chunkSize - _inChunk);
            _hash.Update(bytes[..count]);
            bytes = bytes[count..];
            if ((_inChunk += count) == chunkSize)
                CloseChunk();
        }
    }

    public string Digest()
    {
        if (_inChunk > 0)
            CloseChunk();
        return WeightsDigest.Of(length, chunkSize, [.. _checksums]);
    }

    private void CloseChunk()
    {
        Span<byte> checksum = stackalloc byte[WeightsDigest.ChecksumBytes];
        _hash.Finalize(checksum);
        _checksums.AddRange(checksum);
        _hash.Reset();
        _inChunk = 0;
    }
}
