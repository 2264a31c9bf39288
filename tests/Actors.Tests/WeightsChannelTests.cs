using System.Net;
using DfPO.Actors.Weights;
using DfPO.Models;
using DfPO.Models.Checkpoints;
using DfPO.Models.Gpt2;
using DfPO.Tests.Support;
using static TorchSharp.torch;

namespace DfPO.Actors.Tests;

public sealed class WeightsChannelTests : IAsyncLifetime
{
    private readonly WeightsStore _store = new(new WeightsStoreOptions { ChunkSize = 1000 });
    private readonly TestFolder _folder = new();
    private readonly string _scratch = Path.Combine(Path.GetTempPath(), $"dfpo-test-{Guid.NewGuid():N}");
    private readonly Gpt2LMHeadModel _model = WeightsServer.TinyModel();
    private WeightsServer _server = null!;

    public async ValueTask InitializeAsync()
    {
        _folder.Write("config.json", "{}");
        _folder.Write("empty.txt", "");
        _server = await WeightsServer.Start(_store, new Dictionary<string, string> { ["policy"] = _folder.Path });
        _store.BaseUrl = _server.Url;
    }

    [Theory]
    [InlineData(ScalarType.Float32, "float32", "F32")]
    [InlineData(ScalarType.BFloat16, "bfloat16", "BF16")]
    public async Task Weights_arrive_as_they_were_published_in_the_dtype_that_is_stated(ScalarType dtype, string stated, string onTheWire)
    {
        var weights = _store.Publish(_model, 4, dtype);
        using var client = new WeightsClient(_scratch);
        using var file = SafetensorsFile.Open(await client.Fetch(weights, default, default));
        Assert.Equal((4, stated), (weights.Version, weights.Dtype));
        foreach (var (name, parameter) in _model.named_parameters())
        {
            using var expected = parameter.to(dtype);
            Assert.Equal(onTheWire, file.Header.Entries[name].Dtype);
            Assert.True(file.Get(name).equal(expected).all().item<bool>(), name);
        }
    }

    [Fact]
    public void The_bytes_are_those_of_the_safetensors_writer()
    {
        using var lease = _store.Open(_store.Publish(_model, 1, ScalarType.Float32).Digest)!;
        using var stream = new MemoryStream();
        SafetensorsWriter.Write(stream, _model.named_parameters().ToDictionary(p => p.name, p => (Tensor)p.parameter));
        Assert.Equal(stream.ToArray(), lease.Bytes(0, (int)lease.Manifest.Length).ToArray());
        Assert.Equal(stream.ToArray(), File.ReadAllBytes(lease.Path));
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
    public void The_digest_of_a_model_is_that_of_its_publication_in_float32()
    {
        using var store = new WeightsStore();
        Assert.Equal(store.Publish(_model, 1, ScalarType.Float32).Digest, WeightsStore.Digest(_model));
    }

    [Fact]
    public void Only_the_newest_two_versions_are_held()
    {
        var digests = Enumerable
            .Range(0, 3)
            .Select(version =>
            {
                WeightsServer.Nudge(_model);
                return _store.Publish(_model, version, ScalarType.Float32).Digest;
            })
            .ToArray();
        Assert.Equal([false, true, true], digests.Select(Held));
    }

    [Fact]
    public void Weights_that_are_published_again_are_the_newest_again()
    {
        var first = _store.Publish(_model, 0, ScalarType.Float32).Digest;
        var (second, third) = (_store.Publish(_model, 0, ScalarType.BFloat16).Digest, _store.Publish(_model, 1, ScalarType.Float32).Digest);
        WeightsServer.Nudge(_model);
        _store.Publish(_model, 2, ScalarType.Float32);
        Assert.Equal(first, third);
        Assert.Equal([true, false], new[] { first, second }.Select(Held));
    }

    [Fact]
    public void Weights_that_are_being_read_stay_though_newer_ones_come()
    {
        using var lease = _store.Open(_store.Publish(_model, 0, ScalarType.Float32).Digest)!;
        var before = lease.Bytes(0, (int)lease.Manifest.Length).ToArray();
        for (var version = 1; version < 5; version++)
        {
            WeightsServer.Nudge(_model);
            _store.Publish(_model, version, ScalarType.Float32);
        }
        Assert.False(Held(lease.Manifest.Digest));
        Assert.Equal(before, lease.Bytes(0, before.Length).ToArray());
    }

    [Fact]
    public async Task New_weights_land_beside_the_old_ones_which_stay_readable_while_they_come()
    {
        using var client = new WeightsClient(_scratch);
        var first = _store.Publish(_model, 1, ScalarType.Float32);
        var path = await client.Fetch(first, default, default);
        var bytes = await File.ReadAllBytesAsync(path);
        WeightsServer.Nudge(_model);
        var second = _store.Publish(_model, 2, ScalarType.Float32);
        byte[]? meanwhile = null;
        _server.Fault = (_, body) => new WeightsServer.Through(body, async (_, written) =>
            {
                if (written > 0)
                    meanwhile ??= await File.ReadAllBytesAsync(path);
                Assert.Equal(first.Digest, client.HeldDigest);
            });
        var next = await client.Fetch(second with { Length = second.Length }, default, default);
        Assert.Equal(second.Digest, client.HeldDigest);
        Assert.NotEqual(path, next);
        Assert.NotEqual(bytes, await File.ReadAllBytesAsync(next));
        Assert.True(meanwhile is null || meanwhile.AsSpan().SequenceEqual(bytes));
    }

    [Fact]
    public async Task Weights_that_are_held_are_not_fetched_again()
    {
        using var client = new WeightsClient(_scratch);
        var weights = _store.Publish(_model, 1, ScalarType.Float32);
        var path = await client.Fetch(weights, default, default);
        var requests = _server.Requests.Count;
        Assert.Equal(path, await client.Fetch(weights with { Version = 2 }, default, default));
        Assert.Equal(requests, _server.Requests.Count);
    }

    [Fact]
    public async Task A_served_folder_is_fetched_whole_and_nothing_beside_it()
    {
        using var client = new WeightsClient(_scratch);
        var local = await client.FetchFolder($"{_store.BaseUrl}/models/policy", default);
        Assert.Equal("{}", await File.ReadAllTextAsync(Path.Combine(local, "config.json")));
        Assert.Equal("", await File.ReadAllTextAsync(Path.Combine(local, "empty.txt")));
        using var http = new HttpClient();
        Assert.Equal(HttpStatusCode.NotFound, (await http.GetAsync($"{_store.BaseUrl}/models/policy/..%2F..%2Fetc%2Fpasswd")).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await http.GetAsync($"{_store.BaseUrl}/models/other")).StatusCode);
    }

    [Theory]
    [InlineData("bytes=10-19", 10, 10)]
    [InlineData("bytes=18000-", 18000, -1)]
    [InlineData("bytes=-7", -7, 7)]
    public async Task Any_http_client_can_ask_for_a_range(string range, int from, int count)
    {
        var weights = _store.Publish(_model, 1, ScalarType.Float32);
        using var lease = _store.Open(weights.Digest)!;
        var start = from < 0 ? (int)weights.Length + from : from;
        var expected = lease.Bytes(start, count < 0 ? (int)weights.Length - start : count).ToArray();
        using var http = new HttpClient();
        http.DefaultRequestHeaders.Add("Range", range);
        var response = await http.GetAsync(weights.Url);
        Assert.Equal(HttpStatusCode.PartialContent, response.StatusCode);
        Assert.Equal(expected, await response.Content.ReadAsByteArrayAsync());
        http.DefaultRequestHeaders.Remove("Range");
        http.DefaultRequestHeaders.Add("Range", $"bytes={weights.Length}-");
        Assert.Equal(HttpStatusCode.RequestedRangeNotSatisfiable, (await http.GetAsync(weights.Url)).StatusCode);
    }

    [Fact]
    public async Task A_reader_that_is_slow_or_leaves_in_the_middle_harms_nobody()
    {
        // More than the sockets' buffers hold, so that the server waits for its reader.
        using var model = new Gpt2LMHeadModel(
            new Gpt2Config
            {
                VocabSize = 50_000,
                NPositions = 16,
                NEmbd = 160,
                NLayer = 1,
                NHead = 2,
            }
        );
        var weights = _store.Publish(model, 1, ScalarType.Float32);
        using var lease = _store.Open(weights.Digest)!;
        using var http = new HttpClient();
        using (var leaving = await http.GetAsync(weights.Url, HttpCompletionOption.ResponseHeadersRead))
        {
            await using var body = await leaving.Content.ReadAsStreamAsync();
            await body.ReadExactlyAsync(new byte[100]);
        }
        using var slow = await http.GetAsync(weights.Url, HttpCompletionOption.ResponseHeadersRead);
        await using var stream = await slow.Content.ReadAsStreamAsync();
        var received = new byte[weights.Length];
        for (var position = 0; position < received.Length; position += 5_000_000)
        {
            await stream.ReadExactlyAsync(received.AsMemory(position, Math.Min(5_000_000, received.Length - position)));
            await Task.Delay(20);
        }
        Assert.True(lease.Bytes(0, received.Length).Span.SequenceEqual(received));
        // The connection is as good as before for another request.
        Assert.Equal(HttpStatusCode.NotFound, (await http.GetAsync($"{_store.BaseUrl}/weights/other")).StatusCode);
    }

    [Fact]
    public async Task A_client_leaves_nothing_behind()
    {
        using (var client = new WeightsClient(_scratch))
        {
            await client.Fetch(_store.Publish(_model, 1, ScalarType.Float32), default, default);
            await client.FetchFolder($"{_store.BaseUrl}/models/policy", default);
        }
        Assert.False(Directory.Exists(_scratch));
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _store.Dispose();
        _model.Dispose();
        _folder.Dispose();
    }

    private bool Held(string digest)
    {
        using var lease = _store.Open(digest);
        return lease is not null;
    }
}
