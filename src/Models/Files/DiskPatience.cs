namespace DfPO.Models.Files;

/// <summary>
/// How a run's files are written where the disk may be full, or a share away for a moment: tried again, said, and given up in the end.
/// </summary>
public static class DiskPatience
{
    private static readonly TimeSpan[] s_pauses = [.. new[] { 1, 2, 4, 8, 15 }.Select(seconds => TimeSpan.FromSeconds(seconds))];

    /// <summary>Does a piece of writing, again and again while the disk refuses it, for half a minute in all.</summary>
    /// <param name="path">What is written, for messages.</param>
    /// <param name="write">The writing; what it leaves half done, it must replace when it is called again.</param>
    /// <param name="pauses">Pauses between the attempts; null takes those of a run.</param>
    /// <exception cref="DfpoException"><c>disk/write</c>: it cannot be written.</exception>
    public static void Do(string path, Action write, IReadOnlyList<TimeSpan>? pauses = null)
    {
        foreach (var pause in pauses ?? s_pauses)
            try
            {
                write();
                return;
            }
            catch (IOException e) when (MayPass(e))
            {
                Notices.Tell($"'{path}' cannot be written ({Reason(e)}); trying again for half a minute: make room");
                Thread.Sleep(pause);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw GivenUp(path, e);
            }
        try
        {
            write();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw GivenUp(path, e);
        }
    }

    private static bool MayPass(IOException error) =>
        error is not (DirectoryNotFoundException or FileNotFoundException or PathTooLongException);

    private static string Reason(Exception error) => error.Message.TrimEnd('.');

    private static DfpoException GivenUp(string path, Exception error) =>
        new("disk/write", $"'{path}' cannot be written ({Reason(error)}): make room or give the right to write there, then resume.", error);
}
