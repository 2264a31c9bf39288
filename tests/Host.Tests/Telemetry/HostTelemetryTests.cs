using System.Collections.Concurrent;
using System.Diagnostics;
using DfPO.Host.Telemetry;
using DfPO.Models;
using DfPO.Models.Diagnostics;
using Microsoft.Extensions.Configuration;

namespace DfPO.Host.Tests.Telemetry;

/// <summary>Alone, because it would be sent the spans of every run within the tests' process.</summary>
[CollectionDefinition("telemetry", DisableParallelization = true)]
[Collection("telemetry")]
public sealed class HostTelemetryTests
{
    [Fact]
    public async Task Spans_arrive_over_OTLP_with_their_parents_links_and_service_name()
    {
        await using var receiver = await OtlpReceiver.Start();
        ActivityContext unit;
        using (var telemetry = HostTelemetry.Start("rollout", Settings(receiver.Settings)))
        {
            Assert.True(telemetry.IsOn);
            using (var iteration = DfpoTelemetry.Source.StartActivity(DfpoTelemetry.Spans.Iteration))
            {
                Assert.NotNull(iteration);
                iteration.SetTag(DfpoTelemetry.Tags.Iteration, 7);
                using (var generate = DfpoTelemetry.Source.StartActivity(DfpoTelemetry.Spans.Generate))
                    unit = generate!.Context;
            }
            using var learn = DfpoTelemetry.Source.StartActivity(
                DfpoTelemetry.Spans.Learn,
                ActivityKind.Internal,
                default(ActivityContext),
                links: [new ActivityLink(unit)]
            );
        }
        var root = receiver.Spans.Single(span => span.Name == DfpoTelemetry.Spans.Iteration);
        var child = receiver.Spans.Single(span => span.Name == DfpoTelemetry.Spans.Generate);
        var linking = receiver.Spans.Single(span => span.Name == DfpoTelemetry.Spans.Learn);
        Assert.Equal("", root.ParentSpanId);
        Assert.Equal((root.TraceId, root.SpanId), (child.TraceId, child.ParentSpanId));
        Assert.Equal((child.TraceId, child.SpanId), Assert.Single(linking.Links));
        Assert.NotEqual(root.TraceId, linking.TraceId);
        Assert.Equal("7", root.Attributes[DfpoTelemetry.Tags.Iteration]);
        Assert.All(receiver.Spans, span => Assert.Equal("dfpo-rollout", span.Service));
    }

    [Fact]
    public async Task The_environment_can_name_the_service()
    {
        await using var receiver = await OtlpReceiver.Start();
        using (HostTelemetry.Start("run", Settings(new(receiver.Settings) { ["OTEL_SERVICE_NAME"] = "mine" })))
            DfpoTelemetry.Source.StartActivity(DfpoTelemetry.Spans.Evaluation)?.Dispose();
        Assert.Contains(receiver.Spans, span => span is { Service: "mine", Name: DfpoTelemetry.Spans.Evaluation });
    }

    [Fact]
    public async Task A_variable_of_one_kind_goes_before_the_general_one()
    {
        await using var receiver = await OtlpReceiver.Start();
        var own = receiver.Settings.ToDictionary(pair => pair.Key.Replace("OTLP_", "OTLP_TRACES_"), pair => pair.Value);
        own["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] += "/v1/traces"; // As OpenTelemetry says: that of one kind is taken as it stands.
        using (var telemetry = HostTelemetry.Start("run", Settings(own)))
        {
            Assert.True(telemetry.IsOn);
            DfpoTelemetry.Source.StartActivity(DfpoTelemetry.Spans.Evaluation)?.Dispose();
        }
        Assert.Contains(receiver.Spans, span => span.Name == DfpoTelemetry.Spans.Evaluation);
        var wrong = new Dictionary<string, string?>(own) { ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] = "carrier pigeon" };
        Assert.Contains("TRACES_PROTOCOL", Assert.Throws<DfpoException>(() => HostTelemetry.Start("run", Settings(wrong))).Message);
    }

    [Fact]
    public void Telemetry_that_cannot_be_delivered_is_told()
    {
        var told = new ConcurrentQueue<string>();
        // A port that nobody listens at.
        var settings = Settings(new() { ["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:1" });
        using (HostTelemetry.Start("run", settings, told.Enqueue))
            for (var i = 0; i < 2; i++)
                DfpoTelemetry.Source.StartActivity(DfpoTelemetry.Spans.Evaluation)?.Dispose();
        Assert.Contains("telemetry cannot be delivered", Assert.Single(told));
    }

    [Fact]
    public void Nothing_is_exported_unless_an_endpoint_is_set()
    {
        using var telemetry = HostTelemetry.Start("run", Settings([]));
        Assert.False(telemetry.IsOn);
    }

    [Fact]
    public void Names_of_spans_are_pinned() =>
        Assert.Equal(
            [
                "orchestrate iteration",
                "orchestrate evaluation",
                "process unit",
                "generate unit",
                "prefill prompts",
                "decode tokens",
                "score logprobs",
                "score unit",
                "learn batch",
                "compute advantages",
                "optimise epoch",
                "publish weights",
                "fetch weights",
                "apply weights",
            ],
            typeof(DfpoTelemetry.Spans).GetFields().Select(field => (string)field.GetRawConstantValue()!)
        );

    private static IConfiguration Settings(Dictionary<string, string?> values) =>
        new ConfigurationBuilder().AddInMemoryCollection(values).Build();
}
