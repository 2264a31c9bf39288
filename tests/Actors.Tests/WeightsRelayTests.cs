using DfPO.Actors.Weights;
using DfPO.Models;
using DfPO.Models.Gpt2;
using static TorchSharp.torch;

namespace DfPO.Actors.Tests;

/// <summary>Receivers that serve what they have, and the plan of who asks whom.</summary>
public sealed class WeightsRelayTests : IAsyncLifetime
{
    private readonly WeightsStore _store = new(new WeightsStoreOptions { ChunkSize = 1000 });
    private readonly Gpt2LMHeadModel _model = WeightsServer.TinyModel();
    private readonly WeightsClient _relay = new(Path.Combine(Path.GetTempPath(), $"dfpo-test-{Guid.NewGuid():N}"));
    private readonly WeightsClient _leaf = new(
        Path.Combine(Path.GetTempPath(), $"dfpo-test-{Guid.NewGuid():N}"),
        new WeightsClientOptions { Attempts = 1 }
    );
    private WeightsServer _origin = null!;
    private WeightsServer _relayServer = null!;

    public async ValueTask InitializeAsync()
    {
        var sources = new WeightsSources();
        sources.Add(_relay);
        (_origin, _relayServer) = (await WeightsServer.Start(_store), await WeightsServer.Start(sources));
        _store.BaseUrl = _origin.Url;
    }

    [Fact]
    public async Task A_receiver_serves_what_it_holds_and_the_origin_is_spared()
    {
        var weights = _store.Publish(_model, 1, ScalarType.BFloat16);
        await _relay.Fetch(weights, default, default);
        var before = _origin.Requests.Count;
        await Fetch(weights);
        Assert.Equal(before, _origin.Requests.Count);
    }

    [Fact]
    public async Task A_relay_passes_on_the_delta_that_it_received()
    {
        await Fetch(_store.Publish(_model, 1, ScalarType.BFloat16));
        await _relay.Fetch(_store.Publish(_model, 1, ScalarType.BFloat16), default, default);
        WeightsServer.Nudge(_model);
        var weights = _store.Publish(_model, 2, ScalarType.BFloat16);
        await _relay.Fetch(weights, default, default);
        var before = _origin.Requests.Count;
        await Fetch(weights);
        Assert.Equal(before, _origin.Requests.Count);
        Assert.InRange(_leaf.Progress!.Received, 1, weights.Length / 2);
    }

    [Fact]
    public async Task A_relay_that_is_still_fetching_is_waited_for()
    {
        var weights = _store.Publish(_model, 1, ScalarType.BFloat16);
        var go = new TaskCompletionSource();
        _origin.Fault = (_, body) => new WeightsServer.Through(body, (_, _) => go.Task);
        var relaying = _relay.Fetch(weights, default, default);
        var leaf = Fetch(weights);
        while (_relayServer.Requests.Count < 2)
            await Task.Delay(10);
        go.SetResult();
        await Task.WhenAll(relaying, leaf);
        Assert.Single(_origin.Ranges(new Uri(weights.Url).AbsolutePath));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_origin_is_asked_when_a_relay_has_not_got_them_or_is_gone(bool gone)
    {
        var weights = _store.Publish(_model, 1, ScalarType.BFloat16);
        var relay = _relayServer.Url;
        if (gone)
            await _relayServer.DisposeAsync();
        await _leaf.Fetch(weights, [relay], default, default);
        Assert.Equal(weights.Digest, _leaf.HeldDigest);
    }

    [Fact]
    public async Task What_a_relay_delivered_before_it_died_is_not_fetched_again()
    {
        var weights = _store.Publish(_model, 1, ScalarType.BFloat16);
        await _relay.Fetch(weights, default, default);
        _relayServer.Fault = (context, body) =>
            context.Request.Path.Value!.EndsWith("/manifest") ? body : new WeightsServer.Through(body, async (bytes, _) =>
                {
                    await body.WriteAsync(bytes[..3500]);
                    await body.FlushAsync();
                    while (_leaf.Progress!.Received < 3500)
                        await Task.Delay(5);
                    context.Abort();
                });
        var before = _origin.Requests.Count;
        await Fetch(weights);
        Assert.Equal([(3000, weights.Length - 1)], _origin.Ranges(new Uri(weights.Url).AbsolutePath).Skip(1));
        Assert.True(_origin.Requests.Count > before);
    }

    [Fact]
    public async Task When_every_source_fails_the_error_names_each()
    {
        var weights = _store.Publish(_model, 1, ScalarType.BFloat16) with { Url = $"{_origin.Url}/weights/nothing" };
        var error = await Assert.ThrowsAsync<DfpoException>(() => _leaf.Fetch(weights, [_relayServer.Url], default, default));
        Assert.Equal("weights/fetch", error.Code);
        Assert.Contains(weights.Url, error.Message);
        Assert.Contains(_relayServer.Url, error.Message);
    }

    [Theory]
    [InlineData(0, 2)]
    [InlineData(1, 1)]
    [InlineData(7, 1)]
    [InlineData(10, 2)]
    [InlineData(100, 3)]
    [InlineData(5, 8)]
    public void A_tree_reaches_everyone_loads_nobody_above_the_fan_out_and_is_as_flat_as_can_be(int receivers, int fanOut)
    {
        var parents = RelayTree.Parents(receivers, fanOut);
        Assert.Equal(receivers, parents.Length);
        Assert.All(parents.Select((parent, i) => (parent, i)), p => Assert.InRange(p.parent, RelayTree.Origin, p.i - 1));
        Assert.All(parents.GroupBy(parent => parent), children => Assert.InRange(children.Count(), 1, fanOut));
        var depths = new int[receivers];
        for (var i = 0; i < receivers; i++)
            depths[i] = parents[i] == RelayTree.Origin ? 1 : depths[parents[i]] + 1;
        // As many as fit on the levels above the deepest are there.
        var (capacity, level, total) = (0L, 0, 0L);
        while (total < receivers)
        {
            level++;
            capacity = level == 1 ? fanOut : capacity * fanOut;
            total += capacity;
        }
        Assert.Equal(level, depths.DefaultIfEmpty(0).Max());
    }

    [Fact]
    public void Relays_are_the_ancestors_nearest_first()
    {
        var relays = RelayTree.Relays(["a", "b", "c", "d", "e", "f", "g"], 2);
        Assert.Equal([], relays[1]);
        Assert.Equal(["a"], relays[2]);
        Assert.Equal(["c", "a"], relays[6]);
    }

    public async ValueTask DisposeAsync()
    {
        await _origin.DisposeAsync();
        await _relayServer.DisposeAsync();
        _relay.Dispose();
        _leaf.Dispose();
        _store.Dispose();
        _model.Dispose();
    }

    private async Task Fetch(WeightsRef weights)
    {
        var path = await _leaf.Fetch(weights, [_relayServer.Url], default, default);
        using var lease = _store.Open(weights.Digest)!;
        Assert.Equal(lease.Bytes(0, (int)weights.Length).ToArray(), await File.ReadAllBytesAsync(path));
    }
}
