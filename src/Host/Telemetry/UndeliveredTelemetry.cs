using System.Diagnostics.Tracing;

namespace DfPO.Host.Telemetry;

/// <summary>Says once that telemetry does not arrive: the exporter tells it only to whoever listens.</summary>
/// <param name="tell">Gets the line.</param>
internal sealed class UndeliveredTelemetry(Action<string> tell) : EventListener
{
    private int _told;

    /// <inheritdoc/>
    protected override void OnEventSourceCreated(EventSource eventSource)
    {
        if (eventSource.Name == "OpenTelemetry-Exporter-OpenTelemetryProtocol")
            EnableEvents(eventSource, EventLevel.Warning);
    }

    /// <inheritdoc/>
    protected override void OnEventWritten(EventWrittenEventArgs eventData)
    {
        if (Interlocked.Exchange(ref _told, 1) == 0)
            tell("telemetry cannot be delivered: is a receiver listening where OTEL_EXPORTER_OTLP_ENDPOINT says? The run goes on");
    }
}
