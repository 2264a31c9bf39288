using System.Collections.Concurrent;
using DfPO.Host.Tests.Telemetry.Otlp;
using Google.Protobuf;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace DfPO.Host.Tests.Telemetry;

/// <summary>A span as it arrived.</summary>
internal sealed record ReceivedSpan(
    string Service,
    string Name,
    string TraceId,
    string SpanId,
    string ParentSpanId,
    IReadOnlyDictionary<string, string> Attributes,
    IReadOnlyList<(string TraceId, string SpanId)> Links,
    TimeSpan Duration
);

/// <summary>
/// An OTLP endpoint on a free loopback port that collects spans; it takes HTTP with protobuf, and answers metrics and logs without reading
/// them.
/// </summary>
internal sealed class OtlpReceiver : IAsyncDisposable
{
    private readonly WebApplication _server;
    private readonly ConcurrentQueue<ReceivedSpan> _spans = new();

    private OtlpReceiver(WebApplication server) => _server = server;

    /// <summary>What <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> must be.</summary>
    public string Endpoint => _server.Urls.Single();

    /// <summary>Variables that make a process export here.</summary>
    public Dictionary<string, string?> Settings =>
        new() { ["OTEL_EXPORTER_OTLP_ENDPOINT"] = Endpoint, ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf" };

    /// <summary>All spans so far.</summary>
    public IReadOnlyList<ReceivedSpan> Spans => [.. _spans];

    public static async Task<OtlpReceiver> Start()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var server = builder.Build();
        var receiver = new OtlpReceiver(server);
        server.MapPost("/v1/traces", receiver.Receive);
        server.MapPost("/v1/metrics", () => Results.Bytes([], "application/x-protobuf"));
        server.MapPost("/v1/logs", () => Results.Bytes([], "application/x-protobuf"));
        await server.StartAsync();
        return receiver;
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private async Task<IResult> Receive(HttpRequest request)
    {
        using var body = new MemoryStream();
        await request.Body.CopyToAsync(body);
        foreach (var resource in ExportTraceServiceRequest.Parser.ParseFrom(body.ToArray()).ResourceSpans)
        {
            var service = resource.Resource.Attributes.FirstOrDefault(attribute => attribute.Key == "service.name")?.Value.StringValue
                ?? "";
            foreach (var span in resource.ScopeSpans.SelectMany(scope => scope.Spans))
                _spans.Enqueue(
                    new(
                        service,
                        span.Name,
                        Hex(span.TraceId),
                        Hex(span.SpanId),
                        Hex(span.ParentSpanId),
                        span.Attributes.ToDictionary(a => a.Key, a => Text(a.Value)),
                        [.. span.Links.Select(link => (Hex(link.TraceId), Hex(link.SpanId)))],
                        TimeSpan.FromTicks((long)(span.EndTimeUnixNano - span.StartTimeUnixNano) / 100)
                    )
                );
        }
        return Results.Bytes(new ExportTraceServiceResponse().ToByteArray(), "application/x-protobuf");
    }

    private static string Hex(ByteString id) => Convert.ToHexStringLower(id.Span);

    private static string Text(AnyValue value) =>
        value.ValueCase switch
        {
            AnyValue.ValueOneofCase.IntValue => value.IntValue.ToString(),
            AnyValue.ValueOneofCase.BoolValue => value.BoolValue ? "true" : "false",
            AnyValue.ValueOneofCase.DoubleValue => value.DoubleValue.ToString("R"),
            _ => value.StringValue,
        };
}
