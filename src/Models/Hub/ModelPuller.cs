using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using Polly;
using Polly.Retry;

namespace DfPO.Models.Hub;

/// <summary>
/// Pulls models and data sets from a hub into the cache: only what is missing, going on where a cut-off pull stopped, checked against the
/// hub's digests.
/// </summary>
/// <param name="settings">Endpoint, cache and token.</param>
/// <param name="pause">First pause before a repetition, doubled each time.</param>
public sealed class ModelPuller(HubSettings settings, TimeSpan? pause = null)
{
    private const int Attempts = 5;
    private readonly ModelCache _cache = new(settings.Cache);
    private readonly TimeSpan _pause = pause ?? TimeSpan.FromSeconds(1);

    /// <summary>Pulls the files that make up a checkpoint.</summary>
    /// <param name="repository">What.</param>
    /// <param name="progress">Hears of every file and of its bytes; not called concurrently.</param>
    /// <param name="cancellation">What has arrived stays for the next pull.</param>
    /// <returns>The checkpoint folder.</returns>
    /// <exception cref="DfpoException"><c>hub/missing</c>, <c>hub/denied</c>, <c>hub/answer</c>, <c>hub/digest</c>, <c>hub/unreachable</c>,
    /// <c>hub/moved</c> or <c>hub/busy</c>.</exception>
    public async Task<string> Pull(HubRepository repository, Action<PullProgress> progress, CancellationToken cancellation)
    {
        using var client = new HubClient(settings);
        var (commit, listing) = await Patiently(token => client.List(repository, token), cancellation);
        var names = ModelFiles.Select(listing);
        if (!names.Contains("config.json"))
            throw new DfpoException("hub/missing", $"'{repository.Id}' has no config.json: it is not a model that can be loaded.");
        // config.json comes last: a snapshot that has one is whole.
        return await Pull(client, repository, commit, names.OrderBy(name => name == "config.json"), progress, cancellation);
    }

    /// <summary>Pulls the tables of a data set.</summary>
    /// <param name="repository">What.</param>
    /// <param name="include">Beginnings of the names that are wanted, such as <c>data/train</c>; all without any.</param>
    /// <param name="progress">As for <see cref="Pull(HubRepository, Action{PullProgress}, CancellationToken)"/>.</param>
    /// <param name="cancellation">What has arrived stays for the next pull.</param>
    /// <returns>The folder, with the tables under the names that they have on the hub.</returns>
    /// <exception cref="DfpoException">As for a model.</exception>
    public async Task<string> PullData(
        HubRepository repository,
        IReadOnlyCollection<string> include,
        Action<PullProgress> progress,
        CancellationToken cancellation
    )
    {
        using var client = new HubClient(settings);
        var (commit, listing) = await Patiently(token => client.List(repository, token), cancellation);
        var names = DataFiles.Select(listing, include);
        return names.Count > 0
            ? await Pull(client, repository, commit, names, progress, cancellation)
            : throw new DfpoException(
                "hub/missing",
                $"'{repository.Id}' at revision '{repository.Revision}' has no table{(include.Count > 0 ? " whose name begins so" : "")} that can be read ({string.Join(", ", DataFiles.Endings)}): try the revision '{HubRepository.ParquetRevision}' (--parquet), where the hub keeps tables of its own making."
            );
    }

    private async Task<string> Pull(
        HubClient client,
        HubRepository repository,
        string commit,
        IEnumerable<string> names,
        Action<PullProgress> progress,
        CancellationToken cancellation
    )
    {
        var snapshot = _cache.Snapshot(repository, commit);
        foreach (var name in names)
        {
            var file = await Patiently(token => client.Announce(repository, name, commit, token), cancellation);
            var blob = _cache.Blob(repository, file.ETag);
            if (!File.Exists(blob) || new FileInfo(blob).Length != file.Size)
                await Fetch(client, repository, file, blob, progress, cancellation);
            ModelCache.Link(blob, Path.Combine(snapshot, name));
            progress(new PullProgress(file, file.Size, Done: true));
        }
        _cache.Remember(repository, commit);
        return snapshot;
    }

    private async Task Fetch(
        HubClient client,
        HubRepository repository,
        HubFile file,
        string blob,
        Action<PullProgress> progress,
        CancellationToken cancellation
    )
    {
        var incomplete = blob + ".incomplete";
        FileStream stream;
        try
        {
            stream = new FileStream(incomplete, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1 << 16);
        }
        catch (IOException e)
        {
            throw new DfpoException(
                "hub/busy",
                $"'{incomplete}' cannot be written ({e.Message}): is another pull of '{repository.Id}' at work?",
                e
            );
        }
        await using (stream)
        {
            await Patiently(token => Append(client, repository, file, stream, progress, token), cancellation, () => stream.Length);
            await stream.FlushAsync(cancellation);
            if (await Digest(file, stream, cancellation) is { } got && got != file.ETag)
            {
                stream.SetLength(0);
                throw new DfpoException(
                    "hub/digest",
                    $"File '{file.Name}' of '{repository.Id}' has arrived with digest {got} where the hub announces {file.ETag}: it was thrown away, pull it again."
                );
            }
        }
        File.Move(incomplete, blob, overwrite: true);
    }

    /// <summary>Fetches what is missing at the end of a file.</summary>
    private static async Task<long> Append(
        HubClient client,
        HubRepository repository,
        HubFile file,
        FileStream stream,
        Action<PullProgress> progress,
        CancellationToken cancellation
    )
    {
        if (stream.Length > file.Size)
            stream.SetLength(0);
        if (stream.Length == file.Size)
            return file.Size;
        using var response = await client.Get(repository, file, stream.Length, cancellation);
        if (
            response.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable
            || (response.StatusCode == HttpStatusCode.PartialContent && response.Content.Headers.ContentRange?.From != stream.Length)
        )
        {
            stream.SetLength(0);
            throw new HttpRequestException("the hub does not continue the file; it is begun again");
        }
        if (response.StatusCode == HttpStatusCode.OK)
            stream.SetLength(0);
        stream.Position = stream.Length;
        progress(new PullProgress(file, stream.Position, Done: false));
        await using var body = await response.Content.ReadAsStreamAsync(cancellation);
        var buffer = new byte[1 << 17];
        while (stream.Position < file.Size)
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            patience.CancelAfter(TimeSpan.FromSeconds(60));
            var read = await Read(body, buffer, patience.Token);
            if (read == 0)
                throw new HttpRequestException($"the connection ended after {stream.Position} of {file.Size} bytes");
            // Of an answer that goes on beyond the announced size nothing more is taken.
            await stream.WriteAsync(buffer.AsMemory(0, (int)Math.Min(read, file.Size - stream.Position)), cancellation);
            progress(new PullProgress(file, stream.Position, Done: false));
        }
        return stream.Position;
    }

    /// <summary>A broken connection is the network's fault, unlike other failures of input and output.</summary>
    private static async Task<int> Read(Stream body, byte[] buffer, CancellationToken cancellation)
    {
        try
        {
            return await body.ReadAsync(buffer, cancellation);
        }
        catch (IOException e)
        {
            throw new HttpRequestException(e.Message, e);
        }
    }

    /// <summary>The digest that the hub's ETag is of; null when it is none that is known.</summary>
    private static async Task<string?> Digest(HubFile file, FileStream stream, CancellationToken cancellation)
    {
        stream.Position = 0;
        if (file.HasSha256)
            return Convert.ToHexStringLower(await SHA256.HashDataAsync(stream, cancellation));
        if (!file.HasGitSha1)
            return null;
        // Git's name of a content: the digest of a short header and the content.
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA1);
        hash.AppendData(System.Text.Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"blob {stream.Length}\0")));
        var buffer = new byte[1 << 17];
        for (var read = await stream.ReadAsync(buffer, cancellation); read > 0; read = await stream.ReadAsync(buffer, cancellation))
            hash.AppendData(buffer, 0, read);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>
    /// Repeats what a bad line or a busy hub spoiled; a line that breaks again and again is borne with as long as something has arrived
    /// each time.
    /// </summary>
    private async Task<T> Patiently<T>(Func<CancellationToken, Task<T>> work, CancellationToken cancellation, Func<long>? arrived = null)
    {
        var (most, failures) = (arrived?.Invoke() ?? 0, 0);
        var patience = new ResiliencePipelineBuilder()
            .AddRetry(
                new RetryStrategyOptions
                {
                    // Counted here, because what has arrived starts the count anew.
                    MaxRetryAttempts = int.MaxValue,
                    ShouldHandle = attempt =>
                    {
                        if (!MayPass(attempt.Outcome.Exception))
                            return PredicateResult.False();
                        failures++;
                        if (arrived?.Invoke() is { } now && now > most)
                            (most, failures) = (now, 0);
                        return new(failures < Attempts);
                    },
                    DelayGenerator = _ => new(_pause * Math.Pow(2, Math.Max(0, failures - 1))),
                }
            )
            .Build();
        try
        {
            return await patience.ExecuteAsync(async token => await work(token), cancellation);
        }
        catch (Exception e) when (!cancellation.IsCancellationRequested && MayPass(e))
        {
            throw new DfpoException(
                "hub/unreachable",
                $"{settings.Endpoint} could not be reached in {Attempts} attempts ({e.Message.TrimEnd('.')}): check the network and HF_ENDPOINT. What has arrived is kept; pull again to go on.",
                e
            );
        }
    }

    private static bool MayPass(Exception? e) => e is HttpRequestException or OperationCanceledException;
}
