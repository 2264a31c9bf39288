using System.Net;
using DfPO.Actors.Weights;
using DfPO.Models;
using DfPO.Models.Checkpoints;
using DfPO.Models.Gpt2;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using static TorchSharp.torch;

namespace DfPO.Actors.Tests;

public sealed class WeightsChannelTests : IAsyncLifetime
{
    private readonly WeightsStore _store = new();
    private readonly string _scratch = Path.Combine(Path.GetTempPath(), $"dfpo-test-{Guid.NewGuid():N}");
    private readonly string _folder = Path.Combine(Path.GetTempPath(), $"dfpo-test-{Guid.NewGuid():N}");
    private readonly Gpt2LMHeadModel _model = new(new Gpt2Config { VocabSize = 50, NPositions = 16, NEmbd = 16, NLayer = 1, NHead = 2 });
    private WebApplication _server = null!;
    private readonly List<int> _ranges = [];

    /// <summary>Answers so many bytes of a range and then cuts the connection; 0 answers all.</summary>
    private int _cutAfter;

    public async ValueTask InitializeAsync()
    {
        Directory.CreateDirectory(_folder);
        await File.WriteAllTextAsync(Path.Combine(_folder, "config.json"), "{}");
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        _server = builder.Build();
        _server.Use(async (context, next) =>
        {
            if (_cutAfter == 0 || !context.Request.Path.StartsWithSegments("/weights"))
            {
                await next();
                return;
            }
            var bytes = _store.Find(context.Request.Path.Value!.Split('/')[^1])!;
            var from = (int)(context.Request.GetTypedHeaders().Range?.Ranges.Single().From ?? 0);
            _ranges.Add(from);
            context.Response.StatusCode = from > 0 ? 206 : 200;
            context.Response.ContentLength = bytes.Length - from;
            await context.Response.Body.WriteAsync(bytes.AsMemory(from, Math.Min(_cutAfter, bytes.Length - from)));
            await context.Response.Body.FlushAsync();
            if (from + _cutAfter >= bytes.Length)
                return;
            // A reset may overtake bytes that the client has not read yet, so it comes when the file holds some.
            while (!Directory.EnumerateFiles(_scratch).Any(file => new FileInfo(file).Length > 0))
                await Task.Delay(10, context.RequestAborted);
            context.Abort();
        });
        _server.MapWeights(_store, new Dictionary<string, string> { ["policy"] = _folder });
        await _server.StartAsync();
        _store.BaseUrl = _server.Urls.First();
        _model.Initialise(3);
    }

    [Fact]
    public async Task Weights_arrive_as_they_were_published()
    {
        var weights = _store.Publish(_model, 4, ScalarType.Float32);
        using var client = new WeightsClient(_scratch);
        using var file = SafetensorsFile.Open(await client.Fetch(weights, default, default));
        Assert.Equal(4, weights.Version);
        foreach (var (name, parameter) in _model.named_parameters())
            Assert.True(file.Get(name).equal(parameter).all().item<bool>(), name);
    }

    [Fact]
    public void The_same_weights_have_the_same_digest_and_others_another()
    {
        var (first, again) = (_store.Publish(_model, 1, ScalarType.Float32), _store.Publish(_model, 2, ScalarType.Float32));
        Assert.Equal(first.Digest, again.Digest);
        using (no_grad())
            _model.parameters().First().add_(1e-6f);
        Assert.NotEqual(first.Digest, _store.Publish(_model, 3, ScalarType.Float32).Digest);
    }

    [Fact]
    public void Only_the_newest_two_versions_are_held()
    {
        var digests = Enumerable.Range(0, 3).Select(version =>
        {
            using (no_grad())
                _model.parameters().First().add_(1f);
            return _store.Publish(_model, version, ScalarType.Float32).Digest;
        }).ToArray();
        Assert.Equal([false, true, true], digests.Select(digest => _store.Find(digest) is not null));
    }

    [Fact]
    public async Task A_cut_connection_goes_on_where_it_stood()
    {
        var weights = _store.Publish(_model, 1, ScalarType.Float32);
        _cutAfter = (int)weights.Length / 2 + 1;
        using var client = new WeightsClient(_scratch);
        Assert.Equal(weights.Length, new FileInfo(await client.Fetch(weights, default, default)).Length);
        Assert.Equal(0, _ranges[0]);
        Assert.All(_ranges.Skip(1), from => Assert.True(from > 0));
        Assert.True(_ranges.Count > 1);
    }

    [Fact]
    public async Task Weights_whose_digest_does_not_match_are_not_used()
    {
        var weights = _store.Publish(_model, 1, ScalarType.Float32);
        using var client = new WeightsClient(_scratch);
        var error = await Assert.ThrowsAsync<DfpoException>(() => client.Fetch(weights with { Digest = new string('0', 64) }, default, default));
        Assert.Equal("weights/digest", error.Code);
    }

    [Fact]
    public async Task A_version_no_longer_served_is_an_error_that_names_the_address()
    {
        using var client = new WeightsClient(_scratch);
        var url = $"{_store.BaseUrl}/weights/{new string('0', 64)}";
        var error = await Assert.ThrowsAsync<DfpoException>(() => client.Fetch(new WeightsRef(1, new string('0', 64), 10, url), default, default));
        Assert.Equal("weights/fetch", error.Code);
        Assert.Contains(url, error.Message);
    }

    [Fact]
    public async Task A_served_folder_is_fetched_whole_and_nothing_beside_it()
    {
        using var client = new WeightsClient(_scratch);
        var local = await client.FetchFolder($"{_store.BaseUrl}/models/policy", default);
        Assert.Equal("{}", await File.ReadAllTextAsync(Path.Combine(local, "config.json")));
        using var http = new HttpClient();
        Assert.Equal(HttpStatusCode.NotFound, (await http.GetAsync($"{_store.BaseUrl}/models/policy/..%2F..%2Fetc%2Fpasswd")).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await http.GetAsync($"{_store.BaseUrl}/models/other")).StatusCode);
    }

    [Fact]
    public async Task A_client_leaves_nothing_behind()
    {
        using (var client = new WeightsClient(_scratch))
            await client.Fetch(_store.Publish(_model, 1, ScalarType.Float32), default, default);
        Assert.False(Directory.Exists(_scratch));
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _model.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}
