using DfPO.Models;

namespace DfPO.Host.Commands;

/// <summary>A folder that a command makes: it appears whole or not at all.</summary>
internal static class OutputFolder
{
    /// <exception cref="DfpoException"><c>usage/output</c>: it is there already and not empty.</exception>
    public static void RequireFree(string output)
    {
        if (File.Exists(output) || (Directory.Exists(output) && Directory.EnumerateFileSystemEntries(output).Any()))
            throw new DfpoException("usage/output", $"'{output}' is there already and not empty: name another folder to write to.");
    }

    /// <summary>Fills a folder beside the destination, then gives it its name.</summary>
    /// <param name="output">Absent, or empty.</param>
    /// <param name="fill">Writes into the folder that it is given.</param>
    public static void Write(string output, Action<string> fill) =>
        Write(output, partial =>
            {
                fill(partial);
                return Task.CompletedTask;
            })
            .GetAwaiter()
            .GetResult();

    /// <inheritdoc cref="Write(string, Action{string})"/>
    public static async Task Write(string output, Func<string, Task> fill)
    {
        RequireFree(output);
        var partial = Path.TrimEndingDirectorySeparator(Path.GetFullPath(output)) + ".partial";
        try
        {
            await fill(partial);
            if (Directory.Exists(output))
                Directory.Delete(output);
            Directory.Move(partial, output);
        }
        catch
        {
            if (Directory.Exists(partial))
                Directory.Delete(partial, recursive: true);
            throw;
        }
    }
}
