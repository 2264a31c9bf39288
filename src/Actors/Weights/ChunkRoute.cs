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

    /// <summary>Checks a chunk whose bytes have landed and puts it in its place. Any thread.</summary>
    public abstract bool Accept(int chunk);
}

/// <summary>Chunks as they are.</summary>
internal sealed class DenseRoute(WeightsManifest manifest, WeightsBuffer target) : ChunkRoute
{
    public override string Name => "dense";

    public override long Start(int chunk) => Math.Min(manifest.Offset(chunk), manifest.Length);

    public override Memory<byte> Landing(long offset, int count) => target.Memory(offset, count);

    public override bool Accept(int chunk) => WeightsDigest.Matches(target.Span(manifest.Offset(chunk), manifest.LengthOf(chunk)), manifest.Checksum(chunk));
}
