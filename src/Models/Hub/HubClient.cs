using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;

namespace DfPO.Models.Hub;

/// <summary>Speaks the hub's HTTP interface: listings, announcements and bytes.</summary>
/// <remarks>
/// Source: the public interface of huggingface.co (<c>/api/models</c>, <c>/api/datasets</c>, <c>/resolve</c>). Redirects are followed
/// here, because the token may go to the endpoint only.
/// </remarks>
internal sealed class HubClient : IDisposable
{
    private const int MostRedirects = 10,
        MostFiles = 100_000;
    private readonly HubSettings _settings;
    private readonly HttpClient _http;

    public HubClient(HubSettings settings)
    {
        _settings = settings;
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            ConnectTimeout = TimeSpan.FromSeconds(20),
            AutomaticDecompression = DecompressionMethods.None,
        };
        _http = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan, MaxResponseContentBufferSize = 64 << 20 };
        _http.DefaultRequestHeaders.UserAgent.Add(
            new ProductInfoHeaderValue("dfpo", typeof(HubClient).Assembly.GetName().Version?.ToString(3) ?? "0")
        );
    }

    public void Dispose() => _http.Dispose();

    /// <summary>Commit and file names of a revision.</summary>
    /// <exception cref="DfpoException"><c>hub/missing</c>, <c>hub/denied</c>, <c>hub/answer</c>.</exception>
    public async Task<(string Commit, IReadOnlyList<string> Files)> List(HubRepository repository, CancellationToken cancellation)
    {
        var address = Address(
            $"{repository.ApiPath}{(repository.Revision == "main" ? "" : "/revision/" + Uri.EscapeDataString(repository.Revision))}"
        );
        using var deadline = Deadline(cancellation);
        using var response = await Send(HttpMethod.Get, address, null, deadline.Token);
        Require(response, repository, null);
        return ReadListing(await response.Content.ReadAsByteArrayAsync(deadline.Token), address);
    }

    /// <summary>Reads a hub's listing.</summary>
    /// <exception cref="DfpoException"><c>hub/answer</c>.</exception>
    internal static (string Commit, IReadOnlyList<string> Files) ReadListing(ReadOnlyMemory<byte> listing, Uri address)
    {
        try
        {
            using var json = JsonDocument.Parse(listing);
            var commit = json.RootElement.GetProperty("sha").GetString() ?? "";
            if (commit.Length is < 7 or > 64 || !commit.All(char.IsAsciiHexDigit))
                throw new DfpoException("hub/answer", $"{address} names the commit '{commit}', which is none.");
            var siblings = json.RootElement.GetProperty("siblings");
            if (siblings.GetArrayLength() > MostFiles)
                throw new DfpoException("hub/answer", $"{address} lists {siblings.GetArrayLength()} files, more than {MostFiles}.");
            return (commit, [.. siblings.EnumerateArray().Select(file => file.GetProperty("rfilename").GetString() ?? "")]);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new DfpoException("hub/answer", $"{address} does not answer as a hub does ({e.Message}): check HF_ENDPOINT.", e);
        }
    }

    /// <summary>Size and content name of a file, from the headers that the hub answers before any redirect to its storage.</summary>
    public async Task<HubFile> Announce(HubRepository repository, string name, string commit, CancellationToken cancellation)
    {
        using var deadline = Deadline(cancellation);
        var address = FileAddress(repository, name);
        for (var redirects = 0; ; redirects++)
        {
            using var response = await Once(HttpMethod.Head, address, null, deadline.Token);
            var linked = Header(response, "X-Linked-Etag");
            // A renamed model answers with a redirect on the hub itself, which says nothing of the file.
            if (linked is null && Target(response, address) is { } target && IsEndpoint(target) && redirects < MostRedirects)
            {
                address = target;
                continue;
            }
            if ((int)response.StatusCode is < 300 or >= 400)
                Require(response, repository, name);
            if (Header(response, "X-Repo-Commit") is { } at && at != commit)
                throw new DfpoException(
                    "hub/moved",
                    $"'{repository.Id}' changed from {commit} to {at} while it was pulled: pull it again."
                );
            var size = long.TryParse(Header(response, "X-Linked-Size"), out var told) ? told : response.Content.Headers.ContentLength;
            var etag = (linked ?? Header(response, "ETag") ?? "").Replace("W/", "").Trim('"').ToLowerInvariant();
            if (size is null or < 0 || etag.Length is 0 or > 128 || !etag.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_'))
                throw new DfpoException(
                    "hub/answer",
                    $"{address} gives no size or no usable ETag ('{etag}'): it does not answer as a hub does."
                );
            return new HubFile(name, size.Value, etag);
        }
    }

    /// <summary>A file's bytes from a position on; the answer may also begin at 0 (status 200).</summary>
    public async Task<HttpResponseMessage> Get(HubRepository repository, HubFile file, long from, CancellationToken cancellation)
    {
        var response = await Send(
            HttpMethod.Get,
            FileAddress(repository, file.Name),
            from > 0 ? new RangeHeaderValue(from, null) : null,
            cancellation
        );
        if (response.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable)
            return response;
        try
        {
            Require(response, repository, file.Name);
            return response;
        }
        catch
        {
            response.Dispose();
            throw;
        }
    }

    private async Task<HttpResponseMessage> Send(HttpMethod method, Uri address, RangeHeaderValue? range, CancellationToken cancellation)
    {
        for (var redirects = 0; redirects < MostRedirects; redirects++)
        {
            var response = await Once(method, address, range, cancellation);
            if (Target(response, address) is not { } target)
                return response;
            response.Dispose();
            address = target;
        }
        throw new DfpoException("hub/answer", $"{_settings.Endpoint} redirects in circles, last to {address.Host}.");
    }

    private async Task<HttpResponseMessage> Once(HttpMethod method, Uri address, RangeHeaderValue? range, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(method, address);
        request.Headers.Range = range;
        if (_settings.Token is { } token && IsEndpoint(address))
            request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {token}");
        return await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation);
    }

    private bool IsEndpoint(Uri address) =>
        (address.Scheme, address.Host, address.Port) == (_settings.Endpoint.Scheme, _settings.Endpoint.Host, _settings.Endpoint.Port);

    /// <summary>Where a redirect leads; null when the answer is none.</summary>
    private static Uri? Target(HttpResponseMessage response, Uri from)
    {
        if ((int)response.StatusCode is not (301 or 302 or 303 or 307 or 308) || response.Headers.Location is not { } location)
            return null;
        var target = new Uri(from, location);
        return target.Scheme == "https" || (target.Scheme == "http" && from.Scheme == "http")
            ? target
            : throw new DfpoException("hub/answer", $"{from.Host} redirects to '{target.Scheme}:', which is less safe: not followed.");
    }

    /// <summary>Turns a refusal into a sentence; what may pass with time stays an <see cref="HttpRequestException"/>.</summary>
    private void Require(HttpResponseMessage response, HubRepository repository, string? file)
    {
        var what = file is null ? $"'{repository.Id}' at revision '{repository.Revision}'" : $"file '{file}' of '{repository.Id}'";
        switch ((int)response.StatusCode)
        {
            case 200 or 206:
                return;
            case 401 or 403:
                throw new DfpoException(
                    "hub/denied",
                    $"{_settings.Endpoint} denies {what}: it does not exist, or is private or gated. {(_settings.Token is null ? "Set HF_TOKEN" : "Check HF_TOKEN")}, and accept its terms on its page."
                );
            case 404:
                throw new DfpoException("hub/missing", $"{_settings.Endpoint} has no {what}: check its name.");
            case 408 or 429 or >= 500:
                throw new HttpRequestException($"status {(int)response.StatusCode}", null, response.StatusCode);
            case var status:
                throw new DfpoException("hub/answer", $"{_settings.Endpoint} answers {status} for {what}.");
        }
    }

    private Uri FileAddress(HubRepository repository, string name) =>
        Address(
            $"{repository.PagePath}/resolve/{Uri.EscapeDataString(repository.Revision)}/{string.Join('/', name.Split('/').Select(Uri.EscapeDataString))}"
        );

    private Uri Address(string path) => new(_settings.Endpoint.AbsoluteUri.TrimEnd('/') + path);

    private static CancellationTokenSource Deadline(CancellationToken cancellation)
    {
        var source = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        source.CancelAfter(TimeSpan.FromSeconds(60));
        return source;
    }

    private static string? Header(HttpResponseMessage response, string name) =>
        response.Headers.TryGetValues(name, out var values) ? values.FirstOrDefault() : null;
}
