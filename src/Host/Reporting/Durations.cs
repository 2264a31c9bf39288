namespace DfPO.Host.Reporting;

/// <summary>Durations as people read them.</summary>
internal static class Durations
{
    /// <summary><c>42s</c>, <c>3m20s</c> or <c>2h05m</c>.</summary>
    public static string Text(TimeSpan span) =>
        span switch
        {
            { TotalHours: >= 1 } => $"{(int)span.TotalHours}h{span.Minutes:D2}m",
            { TotalMinutes: >= 1 } => $"{span.Minutes}m{span.Seconds:D2}s",
            _ => $"{Math.Max(0, (int)span.TotalSeconds)}s",
        };
}
