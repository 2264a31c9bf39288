using System.Globalization;
using DfPO.Models;
using Microsoft.Extensions.Configuration;
using OpenTelemetry.Exporter;

namespace DfPO.Host.Telemetry;

/// <summary>One kind of telemetry, and the <c>OTEL_EXPORTER_OTLP_*</c> variables that go before the general ones for it.</summary>
/// <param name="Name">Its name in the variables.</param>
internal sealed record OtlpSignal(string Name)
{
    private const string Prefix = "OTEL_EXPORTER_OTLP_";

    public static OtlpSignal Traces { get; } = new("TRACES");

    public static OtlpSignal Metrics { get; } = new("METRICS");

    public static OtlpSignal Logs { get; } = new("LOGS");

    /// <summary>Whether it has somewhere to go.</summary>
    public bool IsOn(IConfiguration settings) => Own(settings, "ENDPOINT") is not null || !string.IsNullOrWhiteSpace(settings[Prefix + "ENDPOINT"]);

    /// <summary>Applies the kind's own variables; the exporter has read the general ones.</summary>
    /// <exception cref="DfpoException"><c>config/telemetry</c>: a variable is not what OpenTelemetry says.</exception>
    public void Configure(OtlpExporterOptions options, IConfiguration settings)
    {
        if (Own(settings, "PROTOCOL") is { } protocol)
            options.Protocol = protocol switch
            {
                "grpc" => OtlpExportProtocol.Grpc,
                "http/protobuf" => OtlpExportProtocol.HttpProtobuf,
                _ => throw Wrong("PROTOCOL", protocol, "grpc or http/protobuf"),
            };
        if (Own(settings, "ENDPOINT") is { } endpoint)
            options.Endpoint = Uri.TryCreate(endpoint, UriKind.Absolute, out var uri) ? uri : throw Wrong("ENDPOINT", endpoint, "a URL");
        if (Own(settings, "HEADERS") is { } headers)
            options.Headers = headers;
        if (Own(settings, "TIMEOUT") is { } timeout)
            options.TimeoutMilliseconds = int.TryParse(timeout, CultureInfo.InvariantCulture, out var milliseconds)
                ? milliseconds
                : throw Wrong("TIMEOUT", timeout, "a number of milliseconds");
    }

    private string? Own(IConfiguration settings, string what) =>
        settings[$"{Prefix}{Name}_{what}"] is { } value && !string.IsNullOrWhiteSpace(value) ? value : null;

    private DfpoException Wrong(string what, string value, string rule) =>
        new("config/telemetry", $"The environment variable {Prefix}{Name}_{what} is '{value}', and must be {rule}.");
}
