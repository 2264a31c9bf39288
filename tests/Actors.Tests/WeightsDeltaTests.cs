using System.Diagnostics;
using DfPO.Actors.Weights;
using DfPO.Models.Diagnostics;
using DfPO.Models.Gpt2;
using static TorchSharp.torch;

namespace DfPO.Actors.Tests;

/// <summary>Deltas through the channel: when they are taken, and that what comes out is the new weights bit for bit.</summary>
public sealed class WeightsDeltaTests : IAsyncLifetime
{
    private readonly WeightsStore _store = new(new WeightsStoreOptions { ChunkSize = 1000 });
    private readonly Gpt2LMHeadModel _model = WeightsServer.TinyModel();
    private readonly WeightsClient _client = new(Path.Combine(Path.GetTempPath(), $"dfpo-test-{Guid.NewGuid():N}"));
    private WeightsServer _server = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await WeightsServer.Start(_store);
        _store.BaseUrl = _server.Url;
    }

    [Theory]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float32)]
    public async Task Who_holds_the_version_before_gets_the_difference_and_ends_with_the_same_bits(ScalarType dtype)
    {
        await Fetch(_store.Publish(_model, 1, dtype));
        for (var version = 2; version < 6; version++)
        {
            WeightsServer.Nudge(_model);
            var weights = _store.Publish(_model, version, dtype);
            await Fetch(weights);
            Assert.Equal("delta", DenseOrDelta(weights));
            Assert.InRange(_client.Progress!.Received, 1, weights.Length / 2);
        }
    }

    [Fact]
    public async Task A_late_joiner_gets_everything()
    {
        _store.Publish(_model, 1, ScalarType.BFloat16);
        WeightsServer.Nudge(_model);
        var weights = _store.Publish(_model, 2, ScalarType.BFloat16);
        await Fetch(weights);
        Assert.Equal("dense", DenseOrDelta(weights));
    }

    [Fact]
    public async Task Who_missed_a_version_gets_everything()
    {
        await Fetch(_store.Publish(_model, 1, ScalarType.BFloat16));
        WeightsServer.Nudge(_model);
        _store.Publish(_model, 2, ScalarType.BFloat16);
        WeightsServer.Nudge(_model);
        var weights = _store.Publish(_model, 3, ScalarType.BFloat16);
        await Fetch(weights);
        Assert.Equal("dense", DenseOrDelta(weights));
    }

    [Fact]
    public async Task Weights_that_changed_everywhere_are_not_offered_as_a_delta()
    {
        await Fetch(_store.Publish(_model, 1, ScalarType.BFloat16));
        _model.Initialise(99);
        var weights = _store.Publish(_model, 2, ScalarType.BFloat16);
        using (var lease = _store.Open(weights.Digest))
            Assert.Null(lease!.Manifest.Delta);
        await Fetch(weights);
        Assert.Equal("dense", DenseOrDelta(weights));
    }

    [Fact]
    public async Task Another_dtype_is_fetched_whole()
    {
        await Fetch(_store.Publish(_model, 1, ScalarType.BFloat16));
        await Fetch(_store.Publish(_model, 1, ScalarType.Float32));
    }

    [Fact]
    public async Task A_chunk_of_the_delta_that_is_corrupt_comes_dense_and_alone()
    {
        await Fetch(_store.Publish(_model, 1, ScalarType.BFloat16));
        WeightsServer.Nudge(_model);
        var weights = _store.Publish(_model, 2, ScalarType.BFloat16);
        _server.Fault = (context, body) =>
            !context.Request.Path.Value!.Contains("/delta/") ? body : new WeightsServer.Through(body, (bytes, written) =>
                {
                    if (written == 0)
                        bytes.Span[10] ^= 1;
                    return Task.CompletedTask;
                });
        await Fetch(weights);
        Assert.Equal("delta", DenseOrDelta(weights));
        var (from, to) = Assert.Single(_server.Ranges(new Uri(weights.Url).AbsolutePath));
        Assert.Equal((0, 999), (from % 1000, to - from));
    }

    [Fact]
    public async Task A_cut_in_the_delta_goes_on_where_it_stood()
    {
        await Fetch(_store.Publish(_model, 1, ScalarType.BFloat16));
        WeightsServer.Nudge(_model);
        var weights = _store.Publish(_model, 2, ScalarType.BFloat16);
        var cuts = 0;
        _server.Fault = (context, body) =>
            !context.Request.Path.Value!.Contains("/delta/") ? body : new WeightsServer.Through(body, async (bytes, _) =>
                {
                    if (cuts++ > 0)
                        return;
                    await body.WriteAsync(bytes[..700]);
                    await body.FlushAsync();
                    while (_client.Progress!.Received < 700)
                        await Task.Delay(5);
                    context.Abort();
                });
        await Fetch(weights);
        var ranges = _server.Requests.Where(r => r.Path.Contains("/delta/")).ToArray();
        Assert.Equal([0L, 700L], ranges.Select(r => r.From));
        Assert.Empty(_server.Ranges(new Uri(weights.Url).AbsolutePath));
    }

    [Fact]
    public async Task The_span_of_a_fetch_says_how_the_weights_came_and_how_many_bytes_that_took()
    {
        var trace = new ActivityContext(ActivityTraceId.CreateRandom(), ActivitySpanId.CreateRandom(), ActivityTraceFlags.Recorded);
        var spans = new List<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == DfpoTelemetry.Name,
            Sample = (ref ActivityCreationOptions<ActivityContext> options) =>
                options.Parent.TraceId == trace.TraceId ? ActivitySamplingResult.AllData : ActivitySamplingResult.None,
            ActivityStopped = spans.Add,
        };
        ActivitySource.AddActivityListener(listener);
        var first = _store.Publish(_model, 1, ScalarType.BFloat16);
        await _client.Fetch(first, trace, default);
        WeightsServer.Nudge(_model);
        await _client.Fetch(_store.Publish(_model, 2, ScalarType.BFloat16), trace, default);
        Assert.All(spans, span =>
            Assert.Equal((DfpoTelemetry.Spans.Fetch, first.Length), (span.OperationName, (long)span.GetTagItem(DfpoTelemetry.Tags.Bytes)!))
        );
        Assert.Equal(
            [("dense", first.Length), ("delta", _client.Progress!.Received)],
            spans.Select(span =>
                ((string)span.GetTagItem(DfpoTelemetry.Tags.Encoding)!, (long)span.GetTagItem(DfpoTelemetry.Tags.WireBytes)!)
            )
        );
    }

    [Fact]
    public async Task A_store_and_a_client_can_each_do_without_deltas()
    {
        using var dense = new WeightsClient(
            Path.Combine(Path.GetTempPath(), $"dfpo-test-{Guid.NewGuid():N}"),
            new WeightsClientOptions { AcceptDelta = false }
        );
        await dense.Fetch(_store.Publish(_model, 1, ScalarType.BFloat16), default, default);
        WeightsServer.Nudge(_model);
        var weights = _store.Publish(_model, 2, ScalarType.BFloat16);
        await dense.Fetch(weights, default, default);
        Assert.Equal(weights.Length, dense.Progress!.Received);
        using var store = new WeightsStore(new WeightsStoreOptions { OfferDelta = false });
        store.Publish(_model, 2, ScalarType.BFloat16);
        WeightsServer.Nudge(_model);
        using var lease = store.Open(store.Publish(_model, 3, ScalarType.BFloat16).Digest);
        Assert.Null(lease!.Manifest.Delta);
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _client.Dispose();
        _store.Dispose();
        _model.Dispose();
    }

    private async Task Fetch(WeightsRef weights)
    {
        var path = await _client.Fetch(weights, default, default);
        using var lease = _store.Open(weights.Digest)!;
        Assert.Equal(lease.Bytes(0, (int)weights.Length).ToArray(), await File.ReadAllBytesAsync(path));
    }

    private string DenseOrDelta(WeightsRef weights) =>
        _server.Requests.Any(r => r.Path.StartsWith($"{new Uri(weights.Url).AbsolutePath}/delta/")) ? "delta" : "dense";
}
