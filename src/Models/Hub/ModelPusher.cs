using System.Net;
using System.Net.Http.Headers;
using System.Net.Mime;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Polly;
using Polly.Retry;

namespace DfPO.Models.Hub;

/// <summary>Pushes a model's folder to a hub, with its card, as one commit.</summary>
/// <remarks>
/// Source: the public interface of huggingface.co. The hub says which files are large: those go to its storage by git's protocol for large
/// files (one part each), the others into the commit itself. What the storage has already is not sent again.
/// </remarks>
/// <param name="settings">Endpoint and token.</param>
/// <param name="pause">First pause before a repetition, doubled each time.</param>
public sealed class ModelPusher(HubSettings settings, TimeSpan? pause = null)
{
    private const int Attempts = 5;
    private const int SampleBytes = 512;
    private const long LargestPart = 5_000_000_000;
    private const string LargeFiles = "application/vnd.git-lfs+json";
    private const string Card = "README.md";
    private readonly ResiliencePipeline _patience = new ResiliencePipelineBuilder()
        .AddRetry(
            new RetryStrategyOptions
            {
                MaxRetryAttempts = Attempts - 1,
                Delay = pause ?? TimeSpan.FromSeconds(1),
                BackoffType = DelayBackoffType.Exponential,
                ShouldHandle = new PredicateBuilder().Handle<HttpRequestException>(),
            }
        )
        .Build();

    private sealed record Upload(string Name, string Path, long Size, string Sha256);

    /// <summary>Pushes the files that make up a model.</summary>
    /// <param name="folder">A checkpoint's or an adapter's folder, with a card.</param>
    /// <param name="repository">Where to; made where it does not exist.</param>
    /// <param name="isPrivate">Whether a repository that is made is private.</param>
    /// <param name="progress">Hears of every file that has arrived.</param>
    /// <param name="cancellation">Before the commit, nothing of the push is seen on the hub.</param>
    /// <returns>The commit.</returns>
    /// <exception cref="DfpoException"><c>hub/card</c>, <c>hub/token</c>, <c>hub/missing</c>, <c>hub/denied</c>, <c>hub/answer</c>,
    /// <c>hub/digest</c> or <c>hub/unreachable</c>.</exception>
    public async Task<string> Push(
        string folder,
        HubRepository repository,
        bool isPrivate,
        Action<string> progress,
        CancellationToken cancellation
    )
    {
        if (settings.Token is null)
            throw new DfpoException("hub/token", "Pushing needs a token that may write: set HF_TOKEN.");
        var files = Files(folder);
        using var http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false }) { Timeout = Timeout.InfiniteTimeSpan };
        try
        {
            await Create(http, repository, isPrivate, cancellation);
            var large = await Large(http, repository, files, cancellation);
            foreach (var file in files.Where(file => large.Contains(file.Name)))
            {
                await Store(http, repository, file, cancellation);
                progress(file.Name);
            }
            var commit = await Commit(http, repository, files, large, cancellation);
            foreach (var file in files.Where(file => !large.Contains(file.Name)))
                progress(file.Name);
            await Verify(repository, files.Where(file => large.Contains(file.Name)), commit, cancellation);
            return commit;
        }
        catch (HttpRequestException e)
        {
            throw new DfpoException(
                "hub/unreachable",
                $"{settings.Endpoint} could not be reached in {Attempts} attempts ({e.Message.TrimEnd('.')}): check the network and HF_ENDPOINT. Nothing is committed; push again.",
                e
            );
        }
    }

    private static Upload[] Files(string folder)
    {
        if (!Directory.Exists(folder))
            throw new DfpoException("checkpoint/missing-folder", $"Folder '{folder}' does not exist.");
        string[] names = [.. Directory.GetFiles(folder).Select(path => Path.GetFileName(path))];
        if (!names.Contains("config.json") && !names.Contains("adapter_config.json"))
            throw new DfpoException("hub/missing", $"'{folder}' has neither config.json nor adapter_config.json: it is no model's folder.");
        if (!names.Contains(Card))
            throw new DfpoException(
                "hub/card",
                $"'{folder}' has no {Card}: write a model card that says what the model was trained on and how, so that others can judge it."
            );
        return
        [
            .. ModelFiles
                .Select(names)
                .Concat(names.Where(name => name is Card || name.StartsWith("adapter_", StringComparison.Ordinal)))
                .Distinct()
                .Order(StringComparer.Ordinal)
                .Select(name =>
                {
                    var path = Path.Combine(folder, name);
                    using var content = File.OpenRead(path);
                    return content.Length <= LargestPart
                        ? new Upload(name, path, content.Length, Convert.ToHexStringLower(SHA256.HashData(content)))
                        : throw new DfpoException(
                            "hub/too-large",
                            $"'{path}' has {content.Length} bytes but at most {LargestPart} can be pushed as one file: write the model in shards."
                        );
                }),
        ];
    }

    private async Task Create(HttpClient http, HubRepository repository, bool isPrivate, CancellationToken cancellation)
    {
        var parts = repository.Id.Split('/');
        var body = new JsonObject
        {
            ["type"] = "model",
            ["name"] = parts[^1],
            ["private"] = isPrivate,
        };
        if (parts.Length > 1)
            body["organization"] = parts[0];
        // 409 says that it is there already.
        await Ask(http, "/api/repos/create", body, repository, cancellation, HttpStatusCode.Conflict);
    }

    private async Task<HashSet<string>> Large(HttpClient http, HubRepository repository, Upload[] files, CancellationToken cancellation)
    {
        var body = new JsonObject
        {
            ["files"] = new JsonArray([
                .. files.Select(file => new JsonObject
                {
                    ["path"] = file.Name,
                    ["size"] = file.Size,
                    ["sample"] = Convert.ToBase64String(Sample(file.Path)),
                }),
            ]),
        };
        var answer = await Ask(http, $"{repository.ApiPath}/preupload/{Revision(repository)}", body, repository, cancellation);
        var modes = (answer["files"] as JsonArray)?.ToDictionary(file => $"{file!["path"]}", file => $"{file!["uploadMode"]}") ?? [];
        return files.All(file => modes.GetValueOrDefault(file.Name) is "lfs" or "regular")
            ? [.. files.Where(file => modes[file.Name] == "lfs").Select(file => file.Name)]
            : throw new DfpoException("hub/answer", $"{settings.Endpoint} does not say how each file is to be sent: check HF_ENDPOINT.");
    }

    /// <summary>Sends a large file to the storage, unless it has the content.</summary>
    private async Task Store(HttpClient http, HubRepository repository, Upload file, CancellationToken cancellation)
    {
        var named = new JsonObject { ["oid"] = file.Sha256, ["size"] = file.Size };
        var body = new JsonObject
        {
            ["operation"] = "upload",
            ["transfers"] = new JsonArray("basic"),
            ["hash_algo"] = "sha256",
            ["objects"] = new JsonArray(named.DeepClone()),
        };
        var answer = await Ask(http, $"/{repository.Id}.git/info/lfs/objects/batch", body, repository, cancellation, type: LargeFiles);
        if (answer["objects"]?[0] is not JsonObject told || told["error"] is not null)
            throw new DfpoException(
                "hub/answer",
                $"{settings.Endpoint} does not take '{file.Name}': {answer["objects"]?[0]?["error"]?["message"]}."
            );
        if (told["actions"]?["upload"] is not JsonObject upload)
            return;
        await _patience.ExecuteAsync(
            async token =>
            {
                await using var content = File.OpenRead(file.Path);
                using var request = new HttpRequestMessage(HttpMethod.Put, Address($"{upload["href"]}"))
                {
                    Content = new StreamContent(content),
                };
                request.Content.Headers.ContentLength = file.Size;
                foreach (var (name, value) in upload["header"] as JsonObject ?? [])
                    request.Headers.TryAddWithoutValidation(name, $"{value}");
                using var response = await http.SendAsync(request, token);
                Require(response, repository, $"file '{file.Name}'");
            },
            cancellation
        );
        if (told["actions"]?["verify"]?["href"] is { } verify)
            await Ask(http, $"{verify}", named, repository, cancellation, type: LargeFiles);
    }

    private async Task<string> Commit(
        HttpClient http,
        HubRepository repository,
        Upload[] files,
        HashSet<string> large,
        CancellationToken cancellation
    )
    {
        static JsonObject Line(string key, JsonObject value) => new() { ["key"] = key, ["value"] = value };
        var lines = files
            .Select(file => large.Contains(file.Name)
                ? Line(
                    "lfsFile",
                    new()
                    {
                        ["path"] = file.Name,
                        ["algo"] = "sha256",
                        ["oid"] = file.Sha256,
                        ["size"] = file.Size,
                    }
                )
                : Line(
                    "file",
                    new()
                    {
                        ["path"] = file.Name,
                        ["encoding"] = "base64",
                        ["content"] = Convert.ToBase64String(File.ReadAllBytes(file.Path)),
                    }
                )
            )
            .Prepend(Line("header", new() { ["summary"] = "Model and card", ["description"] = "" }));
        var body = string.Join('\n', lines.Select(line => line.ToJsonString())) + "\n";
        var answer = await Send(
            http,
            $"{repository.ApiPath}/commit/{Revision(repository)}",
            body,
            "application/x-ndjson",
            repository,
            cancellation
        );
        return answer["commitOid"] is JsonValue commit && commit.GetValueKind() == JsonValueKind.String
            ? (string)commit!
            : throw new DfpoException("hub/answer", $"{settings.Endpoint} names no commit: check HF_ENDPOINT.");
    }

    /// <summary>Asks the hub for the digests of what it has now.</summary>
    private async Task Verify(HubRepository repository, IEnumerable<Upload> files, string commit, CancellationToken cancellation)
    {
        using var client = new HubClient(settings);
        foreach (var file in files)
        {
            var there = await _patience.ExecuteAsync(
                async token => await client.Announce(repository, file.Name, commit, token),
                cancellation
            );
            if (there.ETag != file.Sha256)
                throw new DfpoException(
                    "hub/digest",
                    $"File '{file.Name}' of '{repository.Id}' is there with digest {there.ETag} where {file.Sha256} was sent: push it again."
                );
        }
    }

    private Task<JsonObject> Ask(
        HttpClient http,
        string path,
        JsonObject body,
        HubRepository repository,
        CancellationToken cancellation,
        HttpStatusCode? fine = null,
        string type = MediaTypeNames.Application.Json
    ) => Send(http, path, body.ToJsonString(), type, repository, cancellation, fine);

    private async Task<JsonObject> Send(
        HttpClient http,
        string path,
        string body,
        string type,
        HubRepository repository,
        CancellationToken cancellation,
        HttpStatusCode? fine = null
    ) =>
        await _patience.ExecuteAsync(
            async token =>
            {
                var address = Address(path);
                using var request = new HttpRequestMessage(HttpMethod.Post, address)
                {
                    Content = new StringContent(body, Encoding.UTF8, new MediaTypeHeaderValue(type)),
                };
                request.Headers.TryAddWithoutValidation("Accept", type == LargeFiles ? LargeFiles : MediaTypeNames.Application.Json);
                // The token is for the hub and for no other host.
                if (address.GetLeftPart(UriPartial.Authority) == settings.Endpoint.GetLeftPart(UriPartial.Authority))
                    request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", settings.Token);
                using var response = await http.SendAsync(request, token);
                if (response.StatusCode != fine)
                    Require(response, repository, $"'{repository.Id}'");
                var text = await response.Content.ReadAsStringAsync(token);
                try
                {
                    return (text.Trim().Length > 0 ? JsonNode.Parse(text) : null) as JsonObject ?? [];
                }
                catch (JsonException)
                {
                    return [];
                }
            },
            cancellation
        );

    private void Require(HttpResponseMessage response, HubRepository repository, string what)
    {
        switch ((int)response.StatusCode)
        {
            case >= 200 and < 300:
                return;
            case 401 or 403:
                throw new DfpoException("hub/denied", $"{settings.Endpoint} denies writing {what}: check that HF_TOKEN may write there.");
            case 404:
                throw new DfpoException("hub/missing", $"{settings.Endpoint} has no '{repository.Id}' at revision '{repository.Revision}'.");
            case 408 or 429 or >= 500:
                throw new HttpRequestException($"status {(int)response.StatusCode}", null, response.StatusCode);
            case var status:
                throw new DfpoException("hub/answer", $"{settings.Endpoint} answers {status} for {what}.");
        }
    }

    private static byte[] Sample(string path)
    {
        using var file = File.OpenRead(path);
        var sample = new byte[Math.Min(SampleBytes, file.Length)];
        file.ReadExactly(sample);
        return sample;
    }

    private static string Revision(HubRepository repository) => Uri.EscapeDataString(repository.Revision);

    private Uri Address(string path) =>
        Uri.TryCreate(path, UriKind.Absolute, out var address) && address.Scheme is "http" or "https"
            ? address
            : new Uri(settings.Endpoint.AbsoluteUri.TrimEnd('/') + path);
}
