using System.Collections.Concurrent;

namespace DfPO.Models;

/// <summary>One-line words to the user about files that are read in part: what was left out, and why that is right.</summary>
public static class Notices
{
    private static readonly ConcurrentDictionary<string, bool> s_told = new();

    /// <summary>Receives each line once in a process; may be called from any thread.</summary>
    public static event Action<string>? Told;

    internal static void Tell(string line)
    {
        if (s_told.TryAdd(line, true))
            Told?.Invoke(line);
    }
}
