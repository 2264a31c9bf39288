using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;

namespace DfPO.Host.Composition;

/// <summary>
/// A line of a node's log on stderr. What Akka says of connections is left out: each retry, and each peer that left at the end of a run, is
/// a line there with a stack trace. What it means is told once, by membership and by the queues.
/// </summary>
internal sealed class NodeLogFormatter() : ConsoleFormatter(FormatterName)
{
    public const string FormatterName = "dfpo";

    public override void Write<TState>(in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
    {
        var text = logEntry.Formatter(logEntry.State, logEntry.Exception);
        if (Line(logEntry.LogLevel, logEntry.Category, text, logEntry.Exception) is { } line)
            textWriter.WriteLine(line);
    }

    /// <summary>The line; null for one that is left out.</summary>
    internal static string? Line(LogLevel level, string category, string text, Exception? error)
    {
        if (
            category.StartsWith("Akka.", StringComparison.Ordinal)
            && (text.Contains("/system/endpointManager", StringComparison.Ordinal) || text.Contains("remoting (akka", StringComparison.Ordinal))
        )
            return null;
        var name = level switch
        {
            LogLevel.Warning => "warn",
            LogLevel.Error => "fail",
            LogLevel.Critical => "crit",
            _ => "info",
        };
        return $"{name}: {category} {text} {error}".ReplaceLineEndings(" ").TrimEnd();
    }
}
