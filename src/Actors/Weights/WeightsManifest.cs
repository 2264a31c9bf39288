using DfPO.Models;

namespace DfPO.Actors.Weights;

/// <summary>What a server of weights says about them before it sends any: enough to check every chunk as it arrives.</summary>
/// <param name="Version">Finished iterations of the weights when they were first published.</param>
/// <param name="Digest">See <see cref="WeightsDigest"/>.</param>
/// <param name="Dtype">Dtype of the bytes.</param>
/// <param name="Length">Bytes.</param>
/// <param name="ChunkSize">Bytes of a chunk; the last may be shorter.</param>
/// <param name="Checksums">Checksums of the chunks, one after the other.</param>
/// <param name="Delta">How to get there from other weights with fewer bytes; null when that is not offered.</param>
public sealed record WeightsManifest(
    int Version,
    string Digest,
    string Dtype,
    long Length,
    int ChunkSize,
    byte[] Checksums,
    WeightsDelta? Delta
)
{
    /// <summary>Largest chunk that a receiver accepts, in bytes.</summary>
    public const int MaxChunkSize = 1 << 26;

    /// <summary>Number of chunks.</summary>
    public int Chunks => WeightsDigest.Chunks(Length, ChunkSize);

    /// <summary>Where a chunk starts.</summary>
    public long Offset(int chunk) => (long)chunk * ChunkSize;

    /// <summary>Bytes of a chunk.</summary>
    public int LengthOf(int chunk) => (int)Math.Min(ChunkSize, Length - Offset(chunk));

    /// <summary>Checksum of a chunk.</summary>
    public ReadOnlySpan<byte> Checksum(int chunk) => Checksums.AsSpan(chunk * WeightsDigest.ChecksumBytes, WeightsDigest.ChecksumBytes);

    /// <summary>Refuses a manifest that is not the one of the weights asked for: its own digest follows from its checksums.</summary>
    /// <exception cref="DfpoException"><c>weights/digest</c>, or <c>weights/fetch</c> when its form is wrong.</exception>
    public WeightsManifest Checked(WeightsRef weights, string url)
    {
        if (
            Length != weights.Length
            || Length <= 0
            || ChunkSize is < 1 or > MaxChunkSize
            || Checksums is null
            || Checksums.Length != (long)WeightsDigest.ChecksumBytes * ((Length + ChunkSize - 1) / ChunkSize)
        )
            throw new DfpoException(
                "weights/fetch",
                $"{url} describes weights of {Length} bytes in chunks of {ChunkSize} with {Checksums?.Length ?? 0} bytes of checksums; version {weights.Version} has {weights.Length} bytes. Is another version of the program serving them?"
            );
        var digest = WeightsDigest.Of(Length, ChunkSize, Checksums);
        if (digest != weights.Digest)
            throw new DfpoException(
                "weights/digest",
                $"Weights version {weights.Version} from {url} have digest {digest}, not {weights.Digest}: they are not used."
            );
        return Delta is null || Delta.Fits(this) ? this : this with { Delta = null };
    }
}

/// <summary>A lossless delta: each chunk encoded against the same chunk of the base.</summary>
/// <param name="Base">Digest of the weights that it starts from.</param>
/// <param name="Lengths">Encoded bytes of each chunk; they follow each other.</param>
/// <param name="Checksums">Checksums of the encoded chunks.</param>
public sealed record WeightsDelta(string Base, int[] Lengths, byte[] Checksums)
{
    /// <summary>Encoded bytes of all chunks.</summary>
    public long Length => Lengths.Sum(length => (long)length);

    /// <summary>Most bytes that a delta may have: above half of the dense ones it is not worth its decoding.</summary>
    internal static long Capacity(long denseLength) => denseLength / 2 + 1;

    internal bool Fits(WeightsManifest manifest) =>
        Lengths?.Length == manifest.Chunks
        && Checksums?.Length == manifest.Checksums.Length
        && Lengths.All(length => length > 0 && length <= DeltaCodec.MaxEncodedLength(manifest.ChunkSize))
        && Length <= Capacity(manifest.Length);
}
