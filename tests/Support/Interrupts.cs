using System.Globalization;

namespace DfPO.Tests.Support;

/// <summary>Whether a process that a test starts can be ended by Ctrl-C.</summary>
internal static class Interrupts
{
    private const int Sigint = 2;

    /// <summary>
    /// Skips the test where SIGINT is ignored: a shell without job control ignores it for what it starts in the background, children
    /// inherit that, and .NET keeps to it, as nohup's users expect.
    /// </summary>
    public static void SkipWhereIgnored()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "SIGINT is sent with kill.");
        Assert.SkipWhen(AreIgnored, "SIGINT is ignored here, as in a script's background job: run the tests in the foreground.");
    }

    private static bool AreIgnored =>
        OperatingSystem.IsLinux()
        && File.ReadLines("/proc/self/status").FirstOrDefault(line => line.StartsWith("SigIgn:", StringComparison.Ordinal)) is { } line
        && (ulong.Parse(line["SigIgn:".Length..].Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture) >> (Sigint - 1) & 1) == 1;
}
