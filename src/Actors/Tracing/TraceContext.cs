using System.Diagnostics;

namespace DfPO.Actors.Tracing;

/// <summary>W3C trace context in a message: <c>traceparent</c> as text, empty for none. Akka carries no context of its own.</summary>
public static class TraceContext
{
    /// <summary>The <c>traceparent</c> of a span.</summary>
    public static string Format(ActivityContext context) =>
        context == default ? "" : $"00-{context.TraceId}-{context.SpanId}-{(int)context.TraceFlags:x2}";

    /// <summary>The span a <c>traceparent</c> names; none when it names none or cannot be read, for telemetry never fails work.</summary>
    public static ActivityContext Parse(string traceParent) =>
        ActivityContext.TryParse(traceParent, null, isRemote: true, out var context) ? context : default;
}
