using System.Diagnostics;
using DfPO.Models.Diagnostics;

namespace DfPO.Benchmarks;

/// <summary>Adds up the engine's own spans.</summary>
internal sealed class SpanClock : IDisposable
{
    private readonly ActivityListener _listener;

    public SpanClock()
    {
        _listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == DfpoTelemetry.Name,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = activity =>
            {
                if (activity.OperationName == DfpoTelemetry.Spans.Prefill)
                    Prefill += activity.Duration.TotalSeconds;
                if (activity.OperationName == DfpoTelemetry.Spans.Decode)
                    Decode += activity.Duration.TotalSeconds;
            },
        };
        ActivitySource.AddActivityListener(_listener);
    }

    public double Prefill { get; private set; }

    public double Decode { get; private set; }

    public void Clear() => (Prefill, Decode) = (0, 0);

    public void Dispose() => _listener.Dispose();
}
