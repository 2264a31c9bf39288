using System.Collections.Concurrent;

namespace DfPO.Actors.Weights;

/// <summary>A way to get the chunks of weights: as they are, or as a delta.</summary>
internal abstract class ChunkRoute
{
    /// <summary>Name for people and spans.</summary>
    public abstract string Name { get; }

    /// <summary>Where a chunk's bytes start in the resource; of the number of chunks: where the resource ends.</summary>
    public abstract long Start(int chunk);

    /// <summary>Room for bytes of the resource.</summary>
    public abstract Memory<byte> Landing(long offset, int count);

    /// <summary>Whether a check is quick, so that the thread that received the bytes does it while its cache has them.</summary>
    public abstract bool IsQuick { get; }

    /// <summary>Checks a chunk whose bytes have landed and puts it in its place. Any thread.</summary>
    public abstract bool Accept(int chunk);
}

/// <summary>Chunks as they are.</summary>
internal sealed class DenseRoute(WeightsManifest manifest, WeightsBuffer target) : ChunkRoute
{
    public override string Name => "dense";

    public override bool IsQuick => true;

    public override long Start(int chunk) => Math.Min(manifest.Offset(chunk), manifest.Length);

    public override Memory<byte> Landing(long offset, int count) => target.Memory(offset, count);

    public override bool Accept(int chunk) =>
        WeightsDigest.Matches(target.Span(manifest.Offset(chunk), manifest.LengthOf(chunk)), manifest.Checksum(chunk));
}

/// <summary>Chunks as differences from weights that are held, which stay as they are.</summary>
internal sealed class DeltaRoute : ChunkRoute
{
    private readonly WeightsManifest _manifest;
    private readonly WeightsDelta _delta;
    private readonly WeightsBuffer _from;
    private readonly WeightsBuffer _landing;
    private readonly WeightsBuffer _target;
    private readonly ConcurrentBag<DeltaCodec> _codecs;
    private readonly long[] _starts;

    public DeltaRoute(
        WeightsManifest manifest,
        WeightsDelta delta,
        WeightsBuffer from,
        WeightsBuffer landing,
        WeightsBuffer target,
        ConcurrentBag<DeltaCodec> codecs
    )
    {
        (_manifest, _delta, _from, _landing, _target, _codecs) = (manifest, delta, from, landing, target, codecs);
        _starts = new long[delta.Lengths.Length + 1];
        for (var chunk = 0; chunk < delta.Lengths.Length; chunk++)
            _starts[chunk + 1] = _starts[chunk] + delta.Lengths[chunk];
    }

    public override string Name => "delta";

    public override bool IsQuick => false;

    public override long Start(int chunk) => _starts[chunk];

    public override Memory<byte> Landing(long offset, int count) => _landing.Memory(offset, count);

    public override bool Accept(int chunk)
    {
        var encoded = _landing.Span(_starts[chunk], _delta.Lengths[chunk]);
        if (!WeightsDigest.Matches(encoded, _delta.Checksums.AsSpan(chunk * WeightsDigest.ChecksumBytes, WeightsDigest.ChecksumBytes)))
            return false;
        var (offset, length) = (_manifest.Offset(chunk), _manifest.LengthOf(chunk));
        var target = _target.Span(offset, length);
        var codec = _codecs.TryTake(out var free) ? free : new DeltaCodec();
        try
        {
            codec.Decode(encoded, _from.Span(offset, length), DeltaEncoder.ElementSize(_manifest.Dtype), target);
        }
        catch (InvalidDataException)
        {
            return false;
        }
        finally
        {
            _codecs.Add(codec);
        }
        return WeightsDigest.Matches(target, _manifest.Checksum(chunk));
    }
}
