using System.Globalization;
using System.Runtime.InteropServices;

namespace DfPO.Host.Commands;

/// <summary>
/// A terminal that goes away (SIGHUP) stops a command as Ctrl-C does, with what it has saved; under <c>nohup</c> the command goes on.
/// </summary>
internal static class HangUp
{
    /// <summary>Cancels at SIGHUP; null where that signal is ignored, or not known.</summary>
    public static IDisposable? Cancels(CancellationTokenSource stopping) =>
        OperatingSystem.IsWindows() || IsIgnored()
            ? null
            : PosixSignalRegistration.Create(PosixSignal.SIGHUP, context =>
            {
                context.Cancel = true;
                stopping.Cancel();
            });

    /// <summary>Whoever listens for a signal no longer ignores it, so the wish of <c>nohup</c> has to be read before.</summary>
    private static bool IsIgnored()
    {
        const string Field = "SigIgn:";
        try
        {
            var line = File.ReadLines("/proc/self/status").FirstOrDefault(line => line.StartsWith(Field, StringComparison.Ordinal));
            if (line is null)
                return false;
            var ignored = ulong.Parse(line[Field.Length..].Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            return (ignored & 1) != 0;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException)
        {
            return false;
        }
    }
}
