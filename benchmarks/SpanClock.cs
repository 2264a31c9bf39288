using System.Diagnostics;
using DfPO.Models.Diagnostics;

namespace DfPO.Benchmarks;

/// <summary>Times of the engine's own spans, the latest of each. Processor time is what other programs disturb least.</summary>
internal sealed class SpanClock : IDisposable
{
    private readonly ActivityListener _listener;
    private double _started;

    public SpanClock()
    {
        _listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == DfpoTelemetry.Name,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStarted = _ => _started = CpuSeconds(),
            ActivityStopped = activity =>
            {
                if (activity.OperationName == DfpoTelemetry.Spans.Prefill)
                    (Prefill, PrefillCpu) = (activity.Duration.TotalSeconds, CpuSeconds() - _started);
                if (activity.OperationName == DfpoTelemetry.Spans.Decode)
                    (Decode, DecodeCpu) = (activity.Duration.TotalSeconds, CpuSeconds() - _started);
            },
        };
        ActivitySource.AddActivityListener(_listener);
    }

    public double Prefill { get; private set; }

    public double PrefillCpu { get; private set; }

    public double Decode { get; private set; }

    public double DecodeCpu { get; private set; }

    public void Dispose() => _listener.Dispose();

    private static double CpuSeconds() => Environment.CpuUsage.TotalTime.TotalSeconds;
}
