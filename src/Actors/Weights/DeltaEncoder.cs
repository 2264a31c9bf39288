namespace DfPO.Actors.Weights;

/// <summary>Deltas of whole versions, chunk by chunk on all cores, in a fixed order of bytes.</summary>
internal sealed class DeltaEncoder : IDisposable
{
    private const int Samples = 8;
    private readonly DeltaCodec[] _codecs = [.. Enumerable.Range(0, Environment.ProcessorCount).Select(_ => new DeltaCodec())];
    private readonly byte[][] _scratch = new byte[Environment.ProcessorCount][];
    private readonly int[] _lengths = new int[Environment.ProcessorCount];

    /// <summary>Encodes weights against others into a buffer.</summary>
    /// <param name="from">The weights that receivers are likely to have.</param>
    /// <param name="to">The weights to reach: same dtype, length and chunk size.</param>
    /// <param name="bytes">Bytes of <paramref name="to"/>.</param>
    /// <param name="buffer">Receives the encoded chunks.</param>
    /// <returns>Null when it would not fit the buffer, which is how dense is chosen: by what the bytes really are.</returns>
    public WeightsDelta? Encode(HeldWeights from, WeightsManifest to, WeightsBuffer bytes, WeightsBuffer buffer)
    {
        var size = ElementSize(to.Dtype);
        var sample = Enumerable
            .Range(0, Math.Min(Samples, to.Chunks))
            .Select(i => (int)((long)i * to.Chunks / Math.Min(Samples, to.Chunks)))
            .ToArray();
        // A look at a few chunks spares the rest of a delta that is not worth it.
        if (Measure(sample) > WeightsDelta.Capacity(sample.Sum(chunk => (long)to.LengthOf(chunk))))
            return null;
        var delta = new WeightsDelta(from.Manifest.Digest, new int[to.Chunks], new byte[to.Checksums.Length]);
        var position = 0L;
        for (var first = 0; first < to.Chunks; first += _codecs.Length)
        {
            var count = Math.Min(_codecs.Length, to.Chunks - first);
            var start = first;
            Parallel.For(0, count, lane => EncodeChunk(lane, start + lane));
            for (var lane = 0; lane < count; lane++)
            {
                var length = _lengths[lane];
                if (position + length > buffer.Capacity)
                    return null;
                var encoded = _scratch[lane].AsSpan(0, length);
                encoded.CopyTo(buffer.Span(position, length));
                WeightsDigest.Checksum(encoded, delta.Checksums.AsSpan((first + lane) * WeightsDigest.ChecksumBytes));
                delta.Lengths[first + lane] = length;
                position += length;
            }
        }
        return delta;

        long Measure(int[] chunks) =>
            chunks.Sum(chunk =>
            {
                EncodeChunk(0, chunk);
                return (long)_lengths[0];
            });

        void EncodeChunk(int lane, int chunk)
        {
            if (_scratch[lane] is not { } scratch || scratch.Length < DeltaCodec.MaxEncodedLength(to.ChunkSize))
                scratch = _scratch[lane] = new byte[DeltaCodec.MaxEncodedLength(to.ChunkSize)];
            var (offset, length) = (to.Offset(chunk), to.LengthOf(chunk));
            _lengths[lane] = _codecs[lane].Encode(from.Bytes.Span(offset, length), bytes.Span(offset, length), size, scratch);
        }
    }

    /// <summary>Bytes of an element of a dtype.</summary>
    public static int ElementSize(string dtype) =>
        dtype switch
        {
            "float32" => 4,
            "bfloat16" or "float16" => 2,
            _ => 1,
        };

    /// <inheritdoc/>
    public void Dispose() => Array.ForEach(_codecs, codec => codec.Dispose());
}
