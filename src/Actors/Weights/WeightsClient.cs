using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Security.Cryptography;
using DfPO.Actors.Security;
using DfPO.Models;
using DfPO.Models.Diagnostics;

namespace DfPO.Actors.Weights;

/// <summary>Fetches weights and checkpoint folders from the bulk channel into files; a cut connection goes on where it stood.</summary>
/// <param name="folder">Scratch folder of this client, which it creates and deletes.</param>
/// <param name="handler">What requests go through, which the client disposes of; plain HTTP when null.</param>
public sealed class WeightsClient(string folder, HttpMessageHandler? handler = null) : IDisposable
{
    private const int Attempts = 4;
    private static readonly TimeSpan s_stall = TimeSpan.FromSeconds(30);
    private readonly HttpClient _http = new(handler ?? BulkChannel.CreateHandler(null)) { Timeout = Timeout.InfiniteTimeSpan };

    /// <summary>Fetches a weight version and checks its digest.</summary>
    /// <returns>The file, which stays until the next call.</returns>
    /// <exception cref="DfpoException"><c>weights/fetch</c> with peer and progress, or <c>weights/digest</c>.</exception>
    public async Task<string> Fetch(WeightsRef weights, ActivityContext parent, CancellationToken cancellation)
    {
        using var activity = DfpoTelemetry.Source.StartActivity(DfpoTelemetry.Spans.Fetch, ActivityKind.Client, parent);
        activity?.SetTag(DfpoTelemetry.Tags.WeightsVersion, weights.Version).SetTag(DfpoTelemetry.Tags.Bytes, weights.Length);
        Directory.CreateDirectory(folder);
        var path = Path.Combine(folder, "weights.safetensors");
        await Download(weights.Url, path, weights.Length, cancellation);
        await using var stream = File.OpenRead(path);
        var digest = Convert.ToHexStringLower(await SHA256.HashDataAsync(stream, cancellation));
        if (digest != weights.Digest)
            throw new DfpoException("weights/digest", $"Weights version {weights.Version} from {weights.Url} have digest {digest}, not {weights.Digest}: they are not used.");
        return path;
    }

    /// <summary>Fetches every file of a served checkpoint folder.</summary>
    /// <returns>The local folder.</returns>
    public async Task<string> FetchFolder(string url, CancellationToken cancellation)
    {
        var target = Path.Combine(folder, Path.GetFileName(url.TrimEnd('/')));
        Directory.CreateDirectory(target);
        try
        {
            using var listing = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            listing.CancelAfter(s_stall);
            var files = await _http.GetFromJsonAsync<WeightsEndpoints.ModelFile[]>(url, listing.Token) ?? [];
            foreach (var file in files)
            {
                // The name is data from a peer: it may not point out of the folder.
                if (Path.GetFileName(file.Name) != file.Name || file.Name.Length == 0)
                    throw new DfpoException("weights/fetch", $"{url} offers a file named '{file.Name}', which is not a plain file name.");
                await Download($"{url}/{Uri.EscapeDataString(file.Name)}", Path.Combine(target, file.Name), file.Length, cancellation);
            }
            return target;
        }
        catch (Exception e) when (e is HttpRequestException || (e is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            throw new DfpoException("weights/fetch", $"{url} cannot be reached ({e.Message}): the learner's bulk port must be open to this machine.", e);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _http.Dispose();
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
    }

    private async Task Download(string url, string path, long length, CancellationToken cancellation)
    {
        File.Delete(path);
        for (var attempt = 1; ; attempt++)
        {
            var have = File.Exists(path) ? new FileInfo(path).Length : 0;
            try
            {
                if (have < length || attempt == 1)
                    await Append(url, path, have, cancellation);
                have = new FileInfo(path).Length;
                if (have == length)
                    return;
                throw new IOException("the connection ended early");
            }
            catch (Exception e) when (attempt < Attempts && !cancellation.IsCancellationRequested && e is HttpRequestException or IOException or TimeoutException)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(200 * attempt), cancellation);
            }
            catch (Exception e) when (e is HttpRequestException or IOException or TimeoutException)
            {
                throw new DfpoException("weights/fetch", $"Fetching {url} failed after {Attempts} attempts with {have} of {length} bytes ({e.Message}).", e);
            }
        }
    }

    private async Task Append(string url, string path, long have, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, url);
        if (have > 0)
            request.Headers.Range = new RangeHeaderValue(have, null);
        using var stalled = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        stalled.CancelAfter(s_stall);
        try
        {
            using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, stalled.Token);
            response.EnsureSuccessStatusCode();
            await using var source = await response.Content.ReadAsStreamAsync(stalled.Token);
            // A server that ignores the range starts from the beginning.
            await using var file = new FileStream(path, response.StatusCode == HttpStatusCode.PartialContent ? FileMode.Append : FileMode.Create);
            var buffer = new byte[1 << 20];
            for (int read; (read = await source.ReadAsync(buffer, stalled.Token)) > 0;)
            {
                await file.WriteAsync(buffer.AsMemory(0, read), stalled.Token);
                stalled.CancelAfter(s_stall);
            }
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new TimeoutException($"no byte for {s_stall.TotalSeconds:F0} s");
        }
    }
}
