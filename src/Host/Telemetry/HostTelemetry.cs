using DfPO.Models;
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
/// OpenTelemetry over OTLP, and nothing at all unless <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> is set, or for one kind
/// <c>OTEL_EXPORTER_OTLP_TRACES_ENDPOINT</c>, <c>..._METRICS_ENDPOINT</c> or <c>..._LOGS_ENDPOINT</c>. All other <c>OTEL_*</c> variables
/// mean what OpenTelemetry says; the service's name is <c>dfpo-{role}</c> unless <c>OTEL_SERVICE_NAME</c> gives another.
/// </summary>
public sealed class HostTelemetry : IDisposable
{
    private const string ServiceName = "OTEL_SERVICE_NAME";
    private static readonly TimeSpan s_flushDeadline = TimeSpan.FromSeconds(3);

    private readonly Action<ResourceBuilder> _resource;
    private readonly TracerProvider? _traces;
    private readonly MeterProvider? _metrics;
    private readonly IConfiguration _settings;
    private readonly UndeliveredTelemetry? _undelivered;

    private HostTelemetry(string role, IConfiguration settings, Action<string> tell)
    {
        _settings = settings;
        var instance = $"{Environment.MachineName}-{Environment.ProcessId}";
        _resource = resource =>
            resource
                .AddService(
                    settings[ServiceName] is { Length: > 0 } name ? name : $"dfpo-{role}",
                    serviceNamespace: "dfpo",
                    serviceVersion: Runs.RunVersions.Dfpo,
                    serviceInstanceId: instance
                )
                .AddAttributes([new("host.name", Environment.MachineName), new("process.pid", (long)Environment.ProcessId)]);
        if (!IsOn)
            return;
        _undelivered = new UndeliveredTelemetry(tell);
        if (OtlpSignal.Traces.IsOn(settings))
            _traces = Sdk.CreateTracerProviderBuilder()
                .ConfigureServices(services => services.AddSingleton(settings))
                .ConfigureResource(_resource)
                .AddSource(DfpoTelemetry.Name)
                .AddOtlpExporter(options => OtlpSignal.Traces.Configure(options, settings))
                .Build();
        if (OtlpSignal.Metrics.IsOn(settings))
            _metrics = Sdk.CreateMeterProviderBuilder()
                .ConfigureServices(services => services.AddSingleton(settings))
                .ConfigureResource(_resource)
                .AddMeter(DfpoTelemetry.Name)
                .AddRuntimeInstrumentation()
                .AddOtlpExporter(options => OtlpSignal.Metrics.Configure(options, settings))
                .Build();
    }

    /// <summary>Whether anything is exported.</summary>
    public bool IsOn =>
        OtlpSignal.Traces.IsOn(_settings) || OtlpSignal.Metrics.IsOn(_settings) || OtlpSignal.Logs.IsOn(_settings);

    /// <summary>Starts exporting spans and metrics.</summary>
    /// <param name="role">What this process is: <c>run</c>, <c>rollout</c>, <c>reward</c>, <c>generate</c>, <c>eval</c>.</param>
    /// <param name="settings">Where <c>OTEL_*</c> is read from; the environment when null.</param>
    /// <param name="tell">Told once when nothing can be delivered; stderr when null.</param>
    public static HostTelemetry Start(string role, IConfiguration? settings = null, Action<string>? tell = null) =>
        new(role, settings ?? new ConfigurationBuilder().AddEnvironmentVariables().Build(), tell ?? Notices.Tell);

    /// <summary>
    /// Sends an application's logs the same way, with the trace they belong to; the application's own configuration says where.
    /// </summary>
    public void AddTo(ILoggingBuilder logging)
    {
        if (!OtlpSignal.Logs.IsOn(_settings))
            return;
        logging.AddOpenTelemetry(logs =>
        {
            var resource = ResourceBuilder.CreateDefault();
            _resource(resource);
            logs.SetResourceBuilder(resource).AddOtlpExporter(options => OtlpSignal.Logs.Configure(options, _settings));
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
        _undelivered?.Dispose();
    }
}
