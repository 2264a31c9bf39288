using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json;
using DfPO.Actors.Security;
using DfPO.Models;
using DfPO.Models.Diagnostics;

namespace DfPO.Actors.Weights;

/// <summary>
/// Fetches weights and checkpoint folders from the bulk channel. New weights land beside the old ones, which stay as they are until the new
/// ones are whole and checked, and after a failure. What it holds it can serve to others.
/// </summary>
/// <remarks>One fetch at a time. Memory: twice the weights, and half of them again once a delta has come.</remarks>
public sealed class WeightsClient : IWeightsSource, IDisposable
{
    /// <summary>Most bytes of a manifest: that of weights of half a terabyte, with a delta.</summary>
    private const int MostOfManifest = 1 << 27;

    /// <summary>Most bytes of the list of a folder's files, and most of those.</summary>
    private const int MostOfList = 1 << 22,
        MostFiles = 10_000;

    /// <summary>Most bytes of weights.</summary>
    private const long MostOfWeights = 1L << 44;

    private readonly string _folder;
    private readonly WeightsClientOptions _options;
    private readonly HttpClient _http;
    private readonly HttpClient _folders;
    private readonly BulkReader _reader;
    private readonly WeightsBufferPool _pool;
    private readonly ConcurrentBag<DeltaCodec> _codecs = [];
    private readonly Lock _gate = new();
    private HeldWeights? _held;
    private string _expected = "";
    private WeightsFetch? _fetch;
    private bool _disposed;

    /// <summary>Makes a client that holds nothing.</summary>
    /// <param name="folder">Scratch folder of this client, which it creates and deletes.</param>
    /// <param name="options">Deadlines and TLS.</param>
    public WeightsClient(string folder, WeightsClientOptions? options = null)
    {
        (_folder, _options) = (folder, options ?? new());
        HttpClient Client(string role, int mostBuffered) =>
            new(BulkChannel.CreateHandler(_options.Identity, _options.ConnectTimeout, role))
            {
                Timeout = Timeout.InfiniteTimeSpan,
                MaxResponseContentBufferSize = mostBuffered,
            };
        // Weights are known by their digest, whoever relays them; folders are believed, and come from a learner alone.
        (_http, _folders) = (Client(ClusterRoles.Rollout, MostOfManifest), Client(ClusterRoles.Learner, MostOfList));
        _reader = new BulkReader(_http, _options);
        _pool = new WeightsBufferPool(folder);
    }

    /// <summary>The fetch in hand or the last one; null before the first. Any thread.</summary>
    public WeightsProgress? Progress => _fetch?.Progress;

    /// <summary>Digest of the weights that it holds; empty when none.</summary>
    public string HeldDigest => _held?.Manifest.Digest ?? "";

    /// <inheritdoc cref="Fetch(WeightsRef, IReadOnlyList{string}, ActivityContext, CancellationToken)"/>
    public Task<string> Fetch(WeightsRef weights, ActivityContext parent, CancellationToken cancellation) =>
        Fetch(weights, [], parent, cancellation);

    /// <summary>Fetches a weight version, each chunk checked, and holds it from then on instead of the one before.</summary>
    /// <param name="weights">What to fetch, and its origin, which is asked last.</param>
    /// <param name="relays">Base addresses of others that may have it, in the order to ask them.</param>
    /// <param name="parent">Span that the fetch belongs to.</param>
    /// <param name="cancellation">Ends it; what is held stays.</param>
    /// <returns>Path of a safetensors file, which stays until the next call or the end of this object.</returns>
    /// <exception cref="DfpoException"><c>weights/fetch</c> with phase, peer and progress, <c>weights/digest</c>, or
    /// <c>weights/corrupt</c>.</exception>
    public async Task<string> Fetch(
        WeightsRef weights,
        IReadOnlyList<string> relays,
        ActivityContext parent,
        CancellationToken cancellation
    )
    {
        using var activity = DfpoTelemetry.Source.StartActivity(DfpoTelemetry.Spans.Fetch, ActivityKind.Client, parent);
        activity?.SetTag(DfpoTelemetry.Tags.WeightsVersion, weights.Version).SetTag(DfpoTelemetry.Tags.Bytes, weights.Length);
        if (_held is { } held && held.Manifest.Digest == weights.Digest)
            return held.Bytes.Path;
        if (weights.Length is <= 0 or > MostOfWeights)
            throw new DfpoException("weights/fetch", $"Weights version {weights.Version} have {weights.Length} bytes, which cannot be.");
        Check(weights.Url);
        _expected = weights.Digest;
        using var timer = new CancellationTokenSource(_options.Deadline, _options.Clock);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation, timer.Token);
        // What is held must outlast the fetch that may decode from it, even if this object is disposed meanwhile.
        var from = _held;
        using var lease = from?.Lease();
        var fetch = _fetch = new WeightsFetch(weights, lease is null ? null : from, _http, _reader, _pool, _codecs, _options);
        try
        {
            var fetched = await fetch
                .Run([.. relays.Where(IsOurs).Select(relay => WeightsEndpoints.Url(relay, weights.Digest)), weights.Url], deadline.Token)
                .ConfigureAwait(false);
            Hold(fetched);
            return fetched.Bytes.Path;
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new DfpoException(
                "weights/fetch",
                $"Fetching weights version {weights.Version} took longer than {_options.Deadline.TotalSeconds:F0} s ({Progress})."
            );
        }
        finally
        {
            _expected = "";
            activity?.SetTag(DfpoTelemetry.Tags.WireBytes, fetch.Progress.Received).SetTag(DfpoTelemetry.Tags.Encoding, fetch.Encoding);
        }
    }

    /// <inheritdoc/>
    public WeightsLease? Open(string digest) => _held is { } held && held.Manifest.Digest == digest ? held.Lease() : null;

    /// <inheritdoc/>
    public bool Expects(string digest) => _expected == digest;

    /// <summary>Fetches every file of a served checkpoint folder.</summary>
    /// <returns>The local folder.</returns>
    /// <exception cref="DfpoException"><c>weights/fetch</c>.</exception>
    public async Task<string> FetchFolder(string url, CancellationToken cancellation)
    {
        Check(url);
        var name = url[(url.TrimEnd('/').LastIndexOf('/') + 1)..].TrimEnd('/');
        if (!IsName(name) || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.'))
            throw new DfpoException("weights/fetch", $"{url} does not end with a name that a folder can have here.");
        var target = Path.Combine(_folder, name);
        Directory.CreateDirectory(target);
        using var timer = new CancellationTokenSource(_options.Deadline, _options.Clock);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation, timer.Token);
        var step = "the list of files";
        try
        {
            var files =
                await _folders
                    .GetFromJsonAsync<WeightsEndpoints.ModelFile[]>(url, deadline.Token)
                    .WaitAsync(_options.Stall, deadline.Token)
                    .ConfigureAwait(false)
                ?? [];
            if (files.Length > MostFiles)
                throw new DfpoException("weights/fetch", $"{url} offers {files.Length} files, more than {MostFiles}.");
            foreach (var file in files)
            {
                // The name is data from a peer: it may not point out of the folder.
                if (file is not { Name: { } plain, Length: >= 0 } || !IsName(plain))
                    throw new DfpoException("weights/fetch", $"{url} offers a file named '{file?.Name}' of {file?.Length} bytes, which is not a plain file.");
                step = $"'{file.Name}' of {file.Length} bytes";
                using var handle = File.OpenHandle(Path.Combine(target, file.Name), FileMode.Create, FileAccess.Write);
                await new BulkReader(_folders, _options)
                    .Fill($"{url}/{Uri.EscapeDataString(file.Name)}", new FileSink(handle, file.Length), deadline.Token)
                    .ConfigureAwait(false);
            }
            return target;
        }
        catch (Exception e)
            when (BulkReader.IsNetwork(e)
                || e is JsonException
                || (e is OperationCanceledException && !cancellation.IsCancellationRequested)
            )
        {
            throw new DfpoException(
                "weights/fetch",
                $"{url} cannot be fetched: {step} failed ({e.Message}). The learner's bulk port must be open to this machine.",
                e
            );
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            _held?.Release();
            _held = null;
        }
        _pool.Dispose();
        while (_codecs.TryTake(out var codec))
            codec.Dispose();
        _http.Dispose();
        _folders.Dispose();
        if (Directory.Exists(_folder))
            Directory.Delete(_folder, recursive: true);
    }

    /// <summary>A node with an identity speaks TLS, and one without speaks plainly: no address of another kind is followed.</summary>
    private bool IsOurs(string url) =>
        Uri.TryCreate(url, UriKind.Absolute, out var address) && address.Scheme == (_options.Identity is null ? "http" : "https");

    private void Check(string url)
    {
        if (!IsOurs(url))
            throw new DfpoException(
                "weights/address",
                $"'{url}' is not fetched from: {(_options.Identity is null ? "a node without certificates fetches by http://" : "a node with certificates fetches by https:// alone")}."
            );
    }

    /// <summary>Whether a text can name a file in a folder, on any system, and nothing else.</summary>
    private static bool IsName(string text) =>
        text is { Length: > 0 and <= 200 } and not "." and not ".." && !text.Any(c => char.IsControl(c) || "/\\:*?\"<>|".Contains(c));

    private void Hold(HeldWeights fetched)
    {
        lock (_gate)
        {
            var before = _disposed ? fetched : _held;
            if (!_disposed)
                _held = fetched;
            before?.Release();
        }
    }
}
