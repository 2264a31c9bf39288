using System.IO.Hashing;

namespace DfPO.Actors.Weights;

/// <summary>The digest of bytes that pass by once.</summary>
internal sealed class ChunkHasher(long length, int chunkSize)
{
    private readonly XxHash128 _hash = new();
    private readonly List<byte> _checksums = [];
    private int _inChunk;

    public void Append(ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            var count = Math.Min(bytes.Length, chunkSize - _inChunk);
            _hash.Append(bytes[..count]);
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
        _checksums.AddRange(_hash.GetHashAndReset());
        _inChunk = 0;
    }
}
