using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using DfPO.Models;

namespace DfPO.Actors.Weights;

/// <summary>One version on its way: manifest and chunks, from one source after the other until it is whole.</summary>
internal sealed class WeightsFetch(
    WeightsRef weights,
    HeldWeights? held,
    HttpClient http,
    BulkReader reader,
    WeightsBufferPool pool,
    ConcurrentBag<DeltaCodec> codecs,
    WeightsClientOptions options
)
{
    private static readonly TimeSpan s_askAgain = TimeSpan.FromMilliseconds(50);
    private readonly long _started = Stopwatch.GetTimestamp();
    private (string Phase, string Peer) _step = ("start", "nobody");
    private ChunkReceiver? _chunks;
    private WeightsDelta? _delta;
    private WeightsBuffer? _landing;

    /// <summary>How far it is. Any thread.</summary>
    public WeightsProgress Progress =>
        new(_step.Phase, _step.Peer, _chunks?.Received ?? 0, _chunks?.Ready ?? 0, weights.Length, _chunks?.LastProgress ?? _started);

    /// <summary>How the weights came: <c>dense</c>, or <c>delta</c> even if some chunks had to come dense.</summary>
    public string Encoding => _delta is null ? "dense" : "delta";

    /// <summary>Asks the sources in order; what one has delivered stays when the next one goes on.</summary>
    /// <exception cref="DfpoException">The error of the last source, after what the others said.</exception>
    public async Task<HeldWeights> Run(IReadOnlyList<string> urls, CancellationToken cancellation)
    {
        var target = pool.Rent(weights.Length);
        var refusals = "";
        for (var source = 0; ; source++)
        {
            var last = source == urls.Count - 1;
            try
            {
                return await Take(urls[source], last ? options.Attempts : 1, target, cancellation).ConfigureAwait(false);
            }
            catch (Exception e) when (!last && (BulkReader.IsNetwork(e) || e is DfpoException))
            {
                refusals += $" Before that, {urls[source]} failed: {e.Message}";
            }
            catch (Exception e)
            {
                pool.Return(target);
                pool.Return(_landing);
                throw BulkReader.IsNetwork(e) || (e is DfpoException && refusals.Length > 0)
                    ? new DfpoException(
                        (e as DfpoException)?.Code ?? "weights/fetch",
                        $"Weights version {weights.Version} could not be fetched from {urls[source]}: {e.Message} ({Progress}).{refusals}",
                        e
                    )
                    : e;
            }
        }
    }

    private async Task<HeldWeights> Take(string url, int attempts, WeightsBuffer target, CancellationToken cancellation)
    {
        _step = ("manifest", url);
        var manifest = await Manifest(url, attempts, cancellation).ConfigureAwait(false);
        _chunks ??= new ChunkReceiver(manifest);
        try
        {
            if (Delta(manifest) is { } delta)
            {
                (_delta, _landing) = (delta, _landing ?? pool.Rent(WeightsDelta.Capacity(manifest.Length)));
                await Follow(
                        new DeltaRoute(manifest, delta, held!.Bytes, _landing, target, codecs),
                        $"{url}/delta/{delta.Base}",
                        once: true,
                        cancellation
                    )
                    .ConfigureAwait(false);
            }
            // The delta's bytes are passed on only if they are all there.
            var byDelta = _chunks.Complete ? _delta : null;
            if (!_chunks.Complete)
                await Follow(new DenseRoute(manifest, target), url, once: false, cancellation).ConfigureAwait(false);
            _step = ("done", url);
            if (byDelta is null)
            {
                pool.Return(_landing);
                _landing = null;
            }
            return new HeldWeights(manifest with { Delta = byDelta }, target, _landing, pool);
        }
        finally
        {
            // No check may touch the buffer once it is somebody else's.
            await _chunks.Settle().ConfigureAwait(false);
        }
    }

    /// <summary>The delta to take: from what is held, and the one that has been begun, if any.</summary>
    private WeightsDelta? Delta(WeightsManifest manifest) =>
        options.AcceptDelta
        && manifest.Delta is { } offered
        && held?.Manifest is { } from
        && from.Digest == offered.Base
        && (from.Length, from.ChunkSize, from.Dtype) == (manifest.Length, manifest.ChunkSize, manifest.Dtype)
        && (_delta is null ? _chunks!.Ready == 0 : _delta.Checksums.AsSpan().SequenceEqual(offered.Checksums))
            ? offered
            : null;

    private Task Follow(ChunkRoute route, string url, bool once, CancellationToken cancellation)
    {
        _step = (route.Name, url);
        _chunks!.Follow(route, url, once);
        return reader.Fill(url, _chunks, cancellation);
    }

    private async Task<WeightsManifest> Manifest(string url, int attempts, CancellationToken cancellation)
    {
        var asked = Stopwatch.GetTimestamp();
        for (var failures = 0; ;)
        {
            using var timer = new CancellationTokenSource(options.Stall, options.Clock);
            using var stalled = CancellationTokenSource.CreateLinkedTokenSource(cancellation, timer.Token);
            try
            {
                using var response = await http.GetAsync(url + "/manifest", stalled.Token).ConfigureAwait(false);
                if (response.StatusCode != HttpStatusCode.ServiceUnavailable || Stopwatch.GetElapsedTime(asked) > options.RelayPatience)
                {
                    response.EnsureSuccessStatusCode();
                    return (await response.Content.ReadFromJsonAsync<WeightsManifest>(stalled.Token).ConfigureAwait(false))?.Checked(
                        weights,
                        url
                    ) ?? throw new JsonException("it is null");
                }
            }
            catch (HttpRequestException e) when (e.StatusCode is null && ++failures < attempts) { }
            catch (OperationCanceledException e) when (!cancellation.IsCancellationRequested)
            {
                throw new TimeoutException($"no answer for {options.Stall.TotalSeconds:F0} s", e);
            }
            catch (Exception e) when (e is JsonException or NotSupportedException)
            {
                throw new DfpoException(
                    "weights/fetch",
                    $"{url}/manifest is no manifest of weights ({e.Message}). Is another version of the program serving them?",
                    e
                );
            }
            await Task.Delay(s_askAgain * (failures + 1), cancellation).ConfigureAwait(false);
        }
    }
}
