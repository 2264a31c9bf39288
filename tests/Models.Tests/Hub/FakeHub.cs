using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace DfPO.Tests.Hub;

/// <summary>
/// A server on loopback that answers as the hub does, and a second one that plays the storage that large files are redirected to.
/// </summary>
internal sealed class FakeHub : IAsyncDisposable
{
    public const string Commit = "0123456789abcdef0123456789abcdef01234567";
    public const string Model = "some-org/tiny-model";
    public const string Dataset = "some-org/tiny-data";
    private const int Large = 1000;
    private readonly WebApplication _hub,
        _storage;
    private readonly ConcurrentDictionary<string, byte[]> _stored = [];
    private int _busy;
    private int _busyStorage;

    private FakeHub(WebApplication hub, WebApplication storage) => (_hub, _storage) = (hub, storage);

    /// <summary>A request that one of the servers got.</summary>
    public sealed record Seen(bool Storage, string Method, string Path, string? Authorization, string? Range);

    public Dictionary<string, byte[]> Files { get; } = [];
    public ConcurrentQueue<Seen> Requests { get; } = [];
    public string Endpoint => _hub.Urls.First();
    public string? RequiredToken { get; set; }

    /// <summary>Each answer of the storage breaks off after so many bytes.</summary>
    public int? CutAfter { get; set; }

    /// <summary>The storage answers ranges with 503.</summary>
    public bool RefusesToGoOn { get; set; }

    public bool IgnoresRanges { get; set; }

    /// <summary>What the storage sends instead of a content.</summary>
    public Func<byte[], byte[]> Change { get; set; } = bytes => bytes;

    /// <summary>ETag and listing that lie.</summary>
    public string? ETag { get; set; }
    public string[] MoreNames { get; set; } = [];
    public string? Location { get; set; }
    public string? CommitOfFiles { get; set; }
    public string? Listing { get; set; }

    /// <summary>The next so many requests are answered with 503.</summary>
    public int Busy
    {
        set => _busy = value;
    }

    /// <summary>The next so many uploads are answered with 503.</summary>
    public int BusyStorage
    {
        set => _busyStorage = value;
    }

    public static async Task<FakeHub> Start()
    {
        FakeHub? fake = null;
        WebApplication hub = Build(context => fake!.Hub(context)),
            storage = Build(context => fake!.Store(context));
        fake = new FakeHub(hub, storage);
        await hub.StartAsync();
        await storage.StartAsync();
        return fake;
    }

    public void Add(string folder)
    {
        foreach (var file in Directory.GetFiles(folder))
            Files[Path.GetFileName(file)] = File.ReadAllBytes(file);
    }

    public string[] Gets(bool storage) =>
        [.. Requests.Where(seen => seen.Storage == storage && seen.Method == "GET").Select(seen => seen.Path)];

    public async ValueTask DisposeAsync()
    {
        foreach (var server in new[] { _hub, _storage })
        {
            await server.StopAsync();
            await server.DisposeAsync();
        }
    }

    private static WebApplication Build(RequestDelegate handle)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        app.Run(handle);
        return app;
    }

    private async Task Hub(HttpContext context)
    {
        var path = Note(context, storage: false);
        if (Interlocked.Decrement(ref _busy) >= 0)
            context.Response.StatusCode = 503;
        else if (RequiredToken is { } token && context.Request.Headers.Authorization != $"Bearer {token}")
            context.Response.StatusCode = 401;
        else if (path is "/api/models/" + Model or "/api/models/" + Model + "/revision/v1.0")
            await context.Response.WriteAsync(Listing ?? List());
        else if (context.Request.Method == "POST")
            await Take(context, path);
        else if (path is "/api/datasets/" + Dataset or "/api/datasets/" + Dataset + "/revision/refs%2Fconvert%2Fparquet")
            await context.Response.WriteAsync(Listing ?? List());
        else if (
            path.StartsWith($"/datasets/{Dataset}/resolve/", StringComparison.Ordinal)
            && Files.TryGetValue(path.Split('/', 7)[^1], out var table)
        )
            await Resolve(context, table);
        else if (path.StartsWith("/old-org/old-name/", StringComparison.Ordinal))
            (context.Response.StatusCode, context.Response.Headers.Location) = (307, path.Replace("old-org/old-name", Model));
        else if (
            path.StartsWith($"/{Model}/resolve/", StringComparison.Ordinal) && Files.TryGetValue(path.Split('/', 6)[^1], out var bytes)
        )
            await Resolve(context, bytes);
        else
            context.Response.StatusCode = path is "/api/models/old-org/old-name" ? 307 : 404;
        if (path is "/api/models/old-org/old-name")
            context.Response.Headers.Location = "/api/models/" + Model;
    }

    /// <summary>Bodies of the requests that write, by path.</summary>
    public ConcurrentQueue<(string Path, string Body)> Written { get; } = [];

    private async Task Take(HttpContext context, string path)
    {
        using var reader = new StreamReader(context.Request.Body);
        var body = await reader.ReadToEndAsync();
        Written.Enqueue((path, body));
        if (path == "/api/repos/create")
            context.Response.StatusCode = 409;
        else if (path == $"/api/models/{Model}/preupload/main")
        {
            var files = JsonNode.Parse(body)!["files"]!.AsArray();
            var modes = files.Select(file => new JsonObject
            {
                ["path"] = (string?)file!["path"],
                ["uploadMode"] = (long)file["size"]! >= Large ? "lfs" : "regular",
            });
            await context.Response.WriteAsync(new JsonObject { ["files"] = new JsonArray([.. modes]) }.ToJsonString());
        }
        else if (path == $"/{Model}.git/info/lfs/objects/batch")
        {
            var file = JsonNode.Parse(body)!["objects"]![0]!.DeepClone().AsObject();
            if (!_stored.ContainsKey((string)file["oid"]!))
                file["actions"] = new JsonObject
                {
                    ["upload"] = new JsonObject { ["href"] = $"{_storage.Urls.First()}/blobs/{file["oid"]}?signature=x" },
                    ["verify"] = new JsonObject { ["href"] = $"{Endpoint}/{Model}.git/info/lfs/verify" },
                };
            await context.Response.WriteAsync(new JsonObject { ["objects"] = new JsonArray(file) }.ToJsonString());
        }
        else if (path == $"/api/models/{Model}/commit/main")
        {
            foreach (var line in body.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonNode.Parse(line)!))
                if ((string)line["key"]! is "file" or "lfsFile")
                    Files[(string)line["value"]!["path"]!] =
                        (string)line["key"]! == "file"
                            ? Convert.FromBase64String((string)line["value"]!["content"]!)
                            : _stored[(string)line["value"]!["oid"]!];
            await context.Response.WriteAsync($$"""{"commitOid": "{{Commit}}", "commitUrl": "x"}""");
        }
        else if (path != $"/{Model}.git/info/lfs/verify")
            context.Response.StatusCode = 404;
    }

    private string List()
    {
        var names = Files.Keys.Concat(MoreNames).Select(name => $$"""{"rfilename": {{System.Text.Json.JsonSerializer.Serialize(name)}}}""");
        return $$"""{"id": "{{Model}}", "sha": "{{Commit}}", "siblings": [{{string.Join(", ", names)}}]}""";
    }

    private async Task Resolve(HttpContext context, byte[] bytes)
    {
        context.Response.Headers["X-Repo-Commit"] = CommitOfFiles ?? Commit;
        if (bytes.Length >= Large)
        {
            var sha = Convert.ToHexStringLower(SHA256.HashData(bytes));
            context.Response.Headers["X-Linked-Etag"] = $"\"{ETag ?? sha}\"";
            context.Response.Headers["X-Linked-Size"] = $"{bytes.Length}";
            context.Response.Headers.ETag = "\"of-the-pointer\"";
            (context.Response.StatusCode, context.Response.Headers.Location) = (
                302,
                Location ?? $"{_storage.Urls.First()}/blobs/{sha}?signature=x"
            );
            return;
        }
        context.Response.Headers.ETag =
            $"\"{ETag ?? Convert.ToHexStringLower(SHA1.HashData([.. Encoding.ASCII.GetBytes($"blob {bytes.Length}\0"), .. bytes]))}\"";
        context.Response.ContentLength = bytes.Length;
        if (context.Request.Method == "GET")
            await context.Response.Body.WriteAsync(bytes);
    }

    private async Task Store(HttpContext context)
    {
        var path = Note(context, storage: true);
        if (context.Request.Method == "PUT")
        {
            using var memory = new MemoryStream();
            await context.Request.Body.CopyToAsync(memory);
            if (Interlocked.Decrement(ref _busyStorage) >= 0)
                context.Response.StatusCode = 503;
            else
                _stored[path.Split('/')[^1]] = memory.ToArray();
            return;
        }
        if (Files.Values.FirstOrDefault(file => path == $"/blobs/{Convert.ToHexStringLower(SHA256.HashData(file))}") is not { } found)
        {
            context.Response.StatusCode = 404;
            return;
        }
        if (RefusesToGoOn && context.Request.Headers.Range.Count > 0)
        {
            context.Response.StatusCode = 503;
            return;
        }
        var bytes = Change(found);
        var from = 0;
        if (!IgnoresRanges && context.Request.GetTypedHeaders().Range is { } range)
        {
            from = (int)range.Ranges.Single().From!;
            if (from >= bytes.Length)
            {
                context.Response.StatusCode = 416;
                return;
            }
            (context.Response.StatusCode, context.Response.Headers.ContentRange) = (206, $"bytes {from}-{bytes.Length - 1}/{bytes.Length}");
        }
        // Without a length, an answer that ends early looks like a connection that does; an aborted one may lose what it has sent.
        if (CutAfter is null)
            context.Response.ContentLength = bytes.Length - from;
        await context.Response.Body.WriteAsync(bytes.AsMemory(from, Math.Min(bytes.Length - from, CutAfter ?? int.MaxValue)));
    }

    private string Note(HttpContext context, bool storage)
    {
        var path = context.Request.Path.Value!;
        Requests.Enqueue(
            new Seen(storage, context.Request.Method, path, context.Request.Headers.Authorization, context.Request.Headers.Range)
        );
        return path;
    }
}
