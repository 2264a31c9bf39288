using DfPO.Models.Diagnostics;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Logs;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace DfPO.Host.Telemetry;

/// <summary>
/// OpenTelemetry over OTLP, and nothing at all unless <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> is set. All other <c>OTEL_*</c> variables mean
/// what OpenTelemetry says; the service's name is <c>dfpo-{role}</c> unless <c>OTEL_SERVICE_NAME</c> gives another.
/// </summary>
public sealed class HostTelemetry : IDisposable
{
    private const string Endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT",
        ServiceName = "OTEL_SERVICE_NAME";
    private static readonly TimeSpan s_flushDeadline = TimeSpan.FromSeconds(3);

    private readonly Action<ResourceBuilder> _resource;
    private readonly TracerProvider? _traces;
    private readonly MeterProvider? _metrics;

    private HostTelemetry(string role, IConfiguration settings)
    {
        IsOn = !string.IsNullOrWhiteSpace(settings[Endpoint]);
        var instance = $"{Environment.MachineName}-{Environment.ProcessId}";
        _resource = resource =>
            resource.AddService(
                settings[ServiceName] is { Length: > 0 } name ? name : $"dfpo-{role}",
                serviceVersion: Runs.RunVersions.Dfpo,
                serviceInstanceId: instance
            );
        if (!IsOn)
            return;
        _traces = Sdk.CreateTracerProviderBuilder()
            .ConfigureServices(services => services.AddSingleton(settings))
            .ConfigureResource(_resource)
            .AddSource(DfpoTelemetry.Name)
            .AddOtlpExporter()
            .Build();
        _metrics = Sdk.CreateMeterProviderBuilder()
            .ConfigureServices(services => services.AddSingleton(settings))
            .ConfigureResource(_resource)
            .AddMeter(DfpoTelemetry.Name)
            .AddRuntimeInstrumentation()
            .AddOtlpExporter()
            .Build();
    }

    /// <summary>Whether anything is exported.</summary>
    public bool IsOn { get; }

    /// <summary>Starts exporting spans and metrics.</summary>
    /// <param name="role">What this process is: <c>run</c>, <c>rollout</c>, <c>reward</c>, <c>generate</c>, <c>eval</c>.</param>
    /// <param name="settings">Where <c>OTEL_*</c> is read from; the environment when null.</param>
    public static HostTelemetry Start(string role, IConfiguration? settings = null) =>
        new(role, settings ?? new ConfigurationBuilder().AddEnvironmentVariables().Build());

    /// <summary>
    /// Sends an application's logs the same way, with the trace they belong to; the application's own configuration says where.
    /// </summary>
    public void AddTo(ILoggingBuilder logging)
    {
        if (!IsOn)
            return;
        logging.AddOpenTelemetry(logs =>
        {
            var resource = ResourceBuilder.CreateDefault();
            _resource(resource);
            logs.SetResourceBuilder(resource).AddOtlpExporter();
            logs.IncludeFormattedMessage = true;
        });
    }

    /// <summary>Sends what is left, for three seconds at most, and stops.</summary>
    public void Dispose()
    {
        var deadline = (int)s_flushDeadline.TotalMilliseconds;
        Parallel.Invoke(() => _traces?.Shutdown(deadline), () => _metrics?.Shutdown(deadline));
        _traces?.Dispose();
        _metrics?.Dispose();
    }
}
