using Microsoft.Extensions.Logging;

namespace DfPO.Host.Composition;

/// <summary>What those who run a process in production see of it.</summary>
public sealed record NodeWatch
{
    /// <summary>Port of <c>/healthz</c> and <c>/readyz</c>; null for none.</summary>
    public int? HealthPort { get; init; }

    /// <summary>What is logged, and all that is worse.</summary>
    public LogLevel LogLevel { get; init; } = LogLevel.Warning;
}
