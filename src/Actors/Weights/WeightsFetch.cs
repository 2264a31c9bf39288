using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using DfPO.Models;

namespace DfPO.Actors.Weights;

/// <summary>One version on its way: manifest and chunks, from one source after the other until it is whole.</summary>
internal sealed class WeightsFetch(WeightsRef weights, HttpClient http, BulkReader reader, WeightsBufferPool pool, WeightsClientOptions options)
{
    private static readonly TimeSpan s_askAgain = TimeSpan.FromMilliseconds(50);
    private readonly DateTimeOffset _started = DateTimeOffset.UtcNow;
    private (string Phase, string Peer) _step = ("start", "nobody");
    private ChunkReceiver? _chunks;

    /// <summary>How far it is. Any thread.</summary>
    public WeightsProgress Progress => new(_step.Phase, _step.Peer, _chunks?.Received ?? 0, _chunks?.Ready ?? 0, weights.Length, _chunks?.LastProgress ?? _started);

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
                throw BulkReader.IsNetwork(e) || (e is DfpoException && refusals.Length > 0)
                    ? new DfpoException((e as DfpoException)?.Code ?? "weights/fetch", $"Weights version {weights.Version} could not be fetched from {urls[source]}: {e.Message} ({Progress}).{refusals}", e)
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
            await Follow(new DenseRoute(manifest, target), url, once: false, cancellation).ConfigureAwait(false);
        }
        finally
        {
            // No check may touch the buffer once it is somebody else's.
            await _chunks.Settle().ConfigureAwait(false);
        }
        _step = ("done", url);
        return new HeldWeights(manifest, target, null, pool);
    }

    private Task Follow(ChunkRoute route, string url, bool once, CancellationToken cancellation)
    {
        _step = (route.Name, url);
        _chunks!.Follow(route, url, once);
        return reader.Fill(url, _chunks, cancellation);
    }

    private async Task<WeightsManifest> Manifest(string url, int attempts, CancellationToken cancellation)
    {
        var patience = DateTimeOffset.UtcNow + options.RelayPatience;
        for (var failures = 0; ;)
        {
            using var stalled = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            stalled.CancelAfter(options.Stall);
            try
            {
                using var response = await http.GetAsync(url + "/manifest", stalled.Token).ConfigureAwait(false);
                if (response.StatusCode != HttpStatusCode.ServiceUnavailable || DateTimeOffset.UtcNow > patience)
                {
                    response.EnsureSuccessStatusCode();
                    return (await response.Content.ReadFromJsonAsync<WeightsManifest>(stalled.Token).ConfigureAwait(false))?.Checked(weights, url)
                        ?? throw new JsonException("it is null");
                }
            }
            catch (HttpRequestException e) when (e.StatusCode is null && ++failures < attempts)
            {
            }
            catch (OperationCanceledException e) when (!cancellation.IsCancellationRequested)
            {
                throw new TimeoutException($"no answer for {options.Stall.TotalSeconds:F0} s", e);
            }
            catch (Exception e) when (e is JsonException or NotSupportedException)
            {
                throw new DfpoException("weights/fetch", $"{url}/manifest is no manifest of weights ({e.Message}). Is another version of the program serving them?", e);
            }
            await Task.Delay(s_askAgain * (failures + 1), cancellation).ConfigureAwait(false);
        }
    }
}
