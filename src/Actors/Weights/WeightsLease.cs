namespace DfPO.Actors.Weights;

/// <summary>Weights that stay in memory until this is disposed, whatever their holder takes meanwhile.</summary>
public sealed class WeightsLease : IDisposable
{
    private HeldWeights? _held;

    internal WeightsLease(HeldWeights held) => _held = held;

    /// <summary>What they are.</summary>
    public WeightsManifest Manifest => Held.Manifest;

    private HeldWeights Held => _held ?? throw new ObjectDisposedException(nameof(WeightsLease));

    /// <summary>A part of the safetensors bytes; valid while the lease is.</summary>
    public ReadOnlyMemory<byte> Bytes(long offset, int count) => Held.Bytes.Memory(offset, count);

    /// <summary>A part of the encoded delta that <see cref="Manifest"/> offers; valid while the lease is.</summary>
    public ReadOnlyMemory<byte> Delta(long offset, int count) =>
        (Held.Delta ?? throw new InvalidOperationException("These weights have no delta.")).Memory(offset, count);

    /// <summary>Path of the safetensors bytes, which opens in this process while the lease is valid.</summary>
    public string Path => Held.Bytes.Path;

    /// <inheritdoc/>
    public void Dispose() => Interlocked.Exchange(ref _held, null)?.Release();
}
