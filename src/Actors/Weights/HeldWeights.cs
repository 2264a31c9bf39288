namespace DfPO.Actors.Weights;

/// <summary>
/// Weights in memory with the right to serve them. Its buffers go back to the pool when the holder and the last lease have let go.
/// </summary>
internal sealed class HeldWeights(WeightsManifest manifest, WeightsBuffer bytes, WeightsBuffer? delta, WeightsBufferPool pool)
{
    private int _holders = 1;

    public WeightsManifest Manifest { get; } = manifest;

    public WeightsBuffer Bytes { get; } = bytes;

    /// <summary>The encoded delta, if the manifest offers one.</summary>
    public WeightsBuffer? Delta { get; } = delta;

    /// <summary>A lease, or null when the weights were let go in the meantime.</summary>
    public WeightsLease? Lease()
    {
        for (var seen = Volatile.Read(ref _holders); seen > 0;)
        {
            var before = Interlocked.CompareExchange(ref _holders, seen + 1, seen);
            if (before == seen)
                return new WeightsLease(this);
            seen = before;
        }
        return null;
    }

    public void Release()
    {
        if (Interlocked.Decrement(ref _holders) > 0)
            return;
        pool.Return(Bytes);
        pool.Return(Delta);
    }
}
