using System.Collections.Concurrent;

namespace DfPO.Models;

/// <summary>
/// One-line words to the user about files: what was left out of those that are read in part, and what cannot be written or read.
/// </summary>
public static class Notices
{
    private static readonly ConcurrentDictionary<string, bool> s_told = new();

    /// <summary>Receives each line once in a process; may be called from any thread.</summary>
    public static event Action<string>? Told;

    /// <summary>Tells a line, unless it was told before.</summary>
    public static void Tell(string line)
    {
        if (s_told.TryAdd(line, true))
            Told?.Invoke(line);
    }
}
