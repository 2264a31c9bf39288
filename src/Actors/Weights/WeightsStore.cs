using System.Collections.Immutable;
using System.Diagnostics;
using DfPO.Models.Checkpoints;
using DfPO.Models.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Actors.Weights;

/// <summary>How weights are published.</summary>
public sealed record WeightsStoreOptions
{
    /// <summary>Bytes of a chunk, at least 1. It is part of the digest: all that compare digests use the same.</summary>
    public int ChunkSize { get; init; } = WeightsDigest.DefaultChunkSize;

    /// <summary>
    /// Versions to keep: the newest ones, so that who is in mid-fetch, or still works with older ones, is not cut off, and beside them what
    /// masks them. At least 2.
    /// </summary>
    public int Kept { get; init; } = 2;

    /// <summary>Whether to offer a delta from the version before, where it has at most half of the bytes.</summary>
    public bool OfferDelta { get; init; } = true;
}

/// <summary>
/// The weight versions that this process serves: the newest ones, so that a worker in mid-fetch is not cut off, and the mask policies that
/// these are drawn under.
/// </summary>
/// <remarks>
/// Written by the learner's thread and read by the web server's. Memory: three times the weights on the wire, the third being written, and
/// what the deltas need.
/// </remarks>
public sealed class WeightsStore : IWeightsSource, IDisposable
{
    private readonly WeightsStoreOptions _options;
    // Weights have a file where the system has no anonymous memory.
    private readonly ScratchFolder? _scratch;
    private readonly WeightsBufferPool _pool;
    private readonly DeltaEncoder _encoder = new();
    private ImmutableList<Version> _versions = [];

    /// <summary>Makes a store that holds nothing.</summary>
    public WeightsStore(WeightsStoreOptions? options = null)
    {
        _options = options ?? new();
        _scratch = OperatingSystem.IsLinux() ? null : ScratchFolder.Create();
        _pool = new(_scratch?.Path ?? "");
    }

    /// <summary>Base address of the bulk channel, once it listens: <c>http://host:port</c>.</summary>
    public string BaseUrl { get; set; } = "";

    /// <summary>Serialises a model's parameters and serves them.</summary>
    /// <param name="model">The policy.</param>
    /// <param name="version">Finished iterations.</param>
    /// <param name="dtype">Dtype on the wire, which is the one that generation runs in: the weights that serve are the weights that are
    /// named.</param>
    /// <param name="parent">Span that the publication belongs to.</param>
    /// <param name="mask">The published mask policy that it is drawn under, which is served as long as this is; null for none.</param>
    public WeightsRef Publish(nn.Module model, int version, ScalarType dtype, ActivityContext parent = default, WeightsRef? mask = null)
    {
        using var activity = DfpoTelemetry.Source.StartActivity(DfpoTelemetry.Spans.Publish, ActivityKind.Producer, parent);
        var serializer = new WeightsSerializer(model, dtype);
        var buffer = Fill(serializer);
        var manifest = Describe(buffer, version, Dtypes.TorchName(dtype));
        if (Find(manifest.Digest) is { } again)
        {
            _pool.Return(buffer);
            Add(again, mask);
        }
        else
        {
            Add(WithDelta(manifest, buffer), mask);
        }
        activity?.SetTag(DfpoTelemetry.Tags.WeightsVersion, version).SetTag(DfpoTelemetry.Tags.Bytes, manifest.Length);
        return new WeightsRef(
            version,
            manifest.Digest,
            manifest.Length,
            $"{BaseUrl}{WeightsEndpoints.WeightsPath}/{manifest.Digest}",
            manifest.Dtype
        )
        {
            Mask = mask,
        };
    }

    /// <inheritdoc/>
    public WeightsLease? Open(string digest) => Find(digest)?.Lease();

    /// <inheritdoc/>
    public bool Expects(string digest) => false;

    /// <summary>The <see cref="WeightsDigest"/> of a model's float32 parameters: what two runs compare.</summary>
    public static string Digest(nn.Module model)
    {
        var serializer = new WeightsSerializer(model, ScalarType.Float32);
        var hasher = new ChunkHasher(serializer.Length, WeightsDigest.DefaultChunkSize);
        serializer.Write(hasher.Append);
        return hasher.Digest();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var version in Interlocked.Exchange(ref _versions, []))
            version.Weights.Release();
        _pool.Dispose();
        _scratch?.Dispose();
        _encoder.Dispose();
    }

    private HeldWeights? Find(string digest) => _versions.Find(v => v.Digest == digest)?.Weights;

    private WeightsBuffer Fill(WeightsSerializer serializer)
    {
        var buffer = _pool.Rent(serializer.Length);
        try
        {
            var position = 0L;
            serializer.Write(bytes =>
            {
                bytes.CopyTo(buffer.Span(position, bytes.Length));
                position += bytes.Length;
            });
            return buffer;
        }
        catch
        {
            _pool.Return(buffer);
            throw;
        }
    }

    private WeightsManifest Describe(WeightsBuffer buffer, int version, string dtype)
    {
        var manifest = new WeightsManifest(
            version,
            "",
            dtype,
            buffer.Capacity,
            _options.ChunkSize,
            new byte[WeightsDigest.ChecksumBytes * WeightsDigest.Chunks(buffer.Capacity, _options.ChunkSize)],
            null
        );
        Parallel.For(0, manifest.Chunks, chunk =>
            WeightsDigest.Checksum(
                buffer.Span(manifest.Offset(chunk), manifest.LengthOf(chunk)),
                manifest.Checksums.AsSpan(chunk * WeightsDigest.ChecksumBytes)
            )
        );
        return manifest with { Digest = WeightsDigest.Of(manifest.Length, manifest.ChunkSize, manifest.Checksums) };
    }

    private HeldWeights WithDelta(WeightsManifest manifest, WeightsBuffer bytes)
    {
        if (
            !_options.OfferDelta
            || _versions.LastOrDefault()?.Weights is not { } from
            || (from.Manifest.Length, from.Manifest.Dtype) != (manifest.Length, manifest.Dtype)
        )
            return new HeldWeights(manifest, bytes, null, _pool);
        var buffer = _pool.Rent(WeightsDelta.Capacity(manifest.Length));
        var delta = _encoder.Encode(from, manifest, bytes, buffer);
        if (delta is not null)
            return new HeldWeights(manifest with { Delta = delta }, bytes, buffer, _pool);
        _pool.Return(buffer);
        return new HeldWeights(manifest, bytes, null, _pool);
    }

    /// <summary>
    /// Makes weights, new ones or others that are held already, the newest version, and lets go of what is no longer needed.
    /// </summary>
    private void Add(HeldWeights weights, WeightsRef? mask)
    {
        var all = _versions.RemoveAll(v => v.Weights == weights).Add(new Version(weights, mask?.Digest));
        Version[] newest = [.. all.TakeLast(_options.Kept)];
        _versions = all.RemoveAll(v => !newest.Contains(v) && newest.All(other => other.Mask != v.Digest));
        foreach (var old in all.Except(_versions))
            old.Weights.Release();
    }

    private sealed record Version(HeldWeights Weights, string? Mask)
    {
        public string Digest => Weights.Manifest.Digest;
    }
}
