using System.Net;
using System.Net.Sockets;
using DfPO.Actors.Weights;
using DfPO.Models;
using DfPO.Models.Gpt2;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Time.Testing;
using static TorchSharp.torch;

namespace DfPO.Actors.Tests;

/// <summary>What a receiver does when bytes are cut off, wrong or late.</summary>
public sealed class WeightsFaultTests : IAsyncLifetime
{
    private const int Chunk = 1000;
    private readonly WeightsStore _store = new(new WeightsStoreOptions { ChunkSize = Chunk, OfferDelta = false });
    private readonly Gpt2LMHeadModel _model = WeightsServer.TinyModel();
    private readonly WeightsClient _client = new(
        Path.Combine(Path.GetTempPath(), $"dfpo-test-{Guid.NewGuid():N}"),
        new WeightsClientOptions { Attempts = 2, RelayPatience = TimeSpan.FromSeconds(20) }
    );
    private WeightsServer _server = null!;
    private WeightsRef _weights = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await WeightsServer.Start(_store);
        _store.BaseUrl = _server.Url;
        _weights = _store.Publish(_model, 1, ScalarType.Float32);
    }

    [Fact]
    public async Task A_cut_connection_goes_on_where_it_stood()
    {
        var cutAt = (_weights.Length / 2) + 1;
        var cuts = 0;
        _server.Fault = (context, body) => Bytes(context, body, async (bytes, from) =>
            {
                if (cuts > 0 || from + bytes.Length <= cutAt)
                    return;
                cuts++;
                await body.WriteAsync(bytes[..(int)(cutAt - from)]);
                await body.FlushAsync();
                // A reset may overtake bytes that the client has not read yet, so it comes when the client has them.
                while (_client.Progress!.Received < cutAt)
                    await Task.Delay(5);
                context.Abort();
            });
        await AssertArrives();
        Assert.Equal([(0, _weights.Length - 1), (cutAt, _weights.Length - 1)], _server.Ranges(new Uri(_weights.Url).AbsolutePath));
    }

    [Fact]
    public async Task A_corrupt_chunk_is_fetched_again_alone()
    {
        var corrupted = 0;
        _server.Fault = (context, body) => Bytes(context, body, (bytes, from) =>
            {
                if (corrupted == 0 && from <= 5500 && from + bytes.Length > 5500)
                {
                    corrupted++;
                    bytes.Span[(int)(5500 - from)] ^= 1;
                }
                return Task.CompletedTask;
            });
        await AssertArrives();
        Assert.Equal([(0, _weights.Length - 1), (5000, 5999)], _server.Ranges(new Uri(_weights.Url).AbsolutePath));
    }

    [Fact]
    public async Task A_chunk_that_stays_corrupt_is_refused_by_name_and_what_was_held_stays()
    {
        var held = await _client.Fetch(_weights, default, default);
        var before = await File.ReadAllBytesAsync(held);
        WeightsServer.Nudge(_model);
        var next = _store.Publish(_model, 2, ScalarType.Float32);
        _server.Fault = (context, body) => Bytes(context, body, (bytes, from) =>
            {
                if (from <= 5500 && from + bytes.Length > 5500)
                    bytes.Span[(int)(5500 - from)] ^= 1;
                return Task.CompletedTask;
            });
        var error = await Assert.ThrowsAsync<DfpoException>(() => _client.Fetch(next, default, default));
        Assert.Equal("weights/corrupt", error.Code);
        Assert.Contains(next.Url, error.Message);
        Assert.Contains("chunk 5 of", error.Message);
        Assert.Contains("bytes 5000 to 5999", error.Message);
        Assert.Equal(_weights.Digest, _client.HeldDigest);
        Assert.Equal(before, await File.ReadAllBytesAsync(held));
        _server.Fault = null;
        await _client.Fetch(next, default, default);
        Assert.Equal(next.Digest, _client.HeldDigest);
    }

    [Fact]
    public async Task Weights_whose_digest_does_not_match_are_not_used()
    {
        var error = await Assert.ThrowsAsync<DfpoException>(() =>
            _client.Fetch(_weights with { Digest = new string('0', 64) }, default, default)
        );
        Assert.Equal("weights/digest", error.Code);
        Assert.Empty(_server.Ranges(new Uri(_weights.Url).AbsolutePath));
        Assert.Equal("", _client.HeldDigest);
    }

    [Fact]
    public async Task A_manifest_that_lies_about_lengths_is_refused()
    {
        var error = await Assert.ThrowsAsync<DfpoException>(() =>
            _client.Fetch(_weights with { Length = _weights.Length + 8 }, default, default)
        );
        Assert.Equal("weights/fetch", error.Code);
        Assert.Contains($"{_weights.Length} bytes", error.Message);
    }

    [Fact]
    public async Task A_version_no_longer_served_is_an_error_that_names_the_address()
    {
        var url = $"{_store.BaseUrl}/weights/{new string('0', 64)}";
        var error = await Assert.ThrowsAsync<DfpoException>(() =>
            _client.Fetch(new WeightsRef(1, new string('0', 64), 10, url), default, default)
        );
        Assert.Equal("weights/fetch", error.Code);
        Assert.Contains(url, error.Message);
        Assert.Contains("404", error.Message);
    }

    [Fact]
    public async Task A_server_that_does_not_listen_is_an_error_that_names_peer_and_phase()
    {
        var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var url = $"http://{listener.LocalEndpoint}/weights/x";
        listener.Stop();
        var error = await Assert.ThrowsAsync<DfpoException>(() => _client.Fetch(_weights with { Url = url }, default, default));
        Assert.Equal("weights/fetch", error.Code);
        Assert.Contains($"phase manifest, peer {url}, 0 of {_weights.Length} bytes ready", error.Message);
    }

    [Theory]
    [InlineData("no byte for")]
    [InlineData("took longer than")]
    public async Task A_server_that_falls_silent_is_given_up_with_phase_peer_and_bytes(string reason)
    {
        // The clock stands still until the client has what was sent, however slow the machine is.
        var (clock, limit) = (new FakeTimeProvider(), TimeSpan.FromSeconds(10));
        var options = reason.StartsWith("no byte")
            ? new WeightsClientOptions { Stall = limit, Attempts = 1, Clock = clock }
            : new WeightsClientOptions { Deadline = limit, Clock = clock };
        using var client = new WeightsClient(Path.Combine(Path.GetTempPath(), $"dfpo-test-{Guid.NewGuid():N}"), options);
        _server.Fault = (context, body) => Bytes(context, body, async (bytes, from) =>
            {
                await body.WriteAsync(bytes[..1500]);
                await body.FlushAsync();
                while (client.Progress!.Received < 1500)
                    await Task.Delay(5);
                clock.Advance(limit);
                await Task.Delay(Timeout.Infinite, context.RequestAborted);
            });
        var error = await Assert.ThrowsAsync<DfpoException>(() => client.Fetch(_weights, default, default));
        Assert.Equal("weights/fetch", error.Code);
        Assert.Contains(reason, error.Message);
        Assert.Contains($"phase dense, peer {_weights.Url}, 1000 of {_weights.Length} bytes ready, 1500 received", error.Message);
    }

    [Fact]
    public async Task A_cancelled_fetch_ends_as_cancelled_and_leaves_what_was_held()
    {
        await _client.Fetch(_weights, default, default);
        WeightsServer.Nudge(_model);
        var next = _store.Publish(_model, 2, ScalarType.Float32);
        using var cancellation = new CancellationTokenSource();
        _server.Fault = (context, body) => Bytes(context, body, async (_, _) =>
            {
                await cancellation.CancelAsync();
                await Task.Delay(Timeout.Infinite, context.RequestAborted);
            });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _client.Fetch(next, default, cancellation.Token));
        Assert.Equal(_weights.Digest, _client.HeldDigest);
    }

    [Fact]
    public async Task A_client_that_is_disposed_in_the_middle_ends_the_fetch_without_harm()
    {
        using var cancellation = new CancellationTokenSource();
        _server.Fault = (context, body) => Bytes(context, body, async (_, from) =>
            {
                if (from > 0)
                    return;
                _client.Dispose();
                await cancellation.CancelAsync();
            });
        await Assert.ThrowsAnyAsync<Exception>(() => _client.Fetch(_weights, default, cancellation.Token));
        Assert.Equal("", _client.HeldDigest);
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _client.Dispose();
        _store.Dispose();
        _model.Dispose();
    }

    private async Task AssertArrives()
    {
        var path = await _client.Fetch(_weights, default, default);
        using var lease = _store.Open(_weights.Digest)!;
        Assert.Equal(lease.Bytes(0, (int)_weights.Length).ToArray(), await File.ReadAllBytesAsync(path));
    }

    /// <summary>Sees the bytes of weights with their place in the whole; manifests pass.</summary>
    private static Stream Bytes(HttpContext context, Stream body, Func<Memory<byte>, long, Task> on)
    {
        var start = context.Request.GetTypedHeaders().Range?.Ranges.Single().From;
        return start is null ? body : new WeightsServer.Through(body, (bytes, written) => on(bytes, start.Value + written));
    }
}
