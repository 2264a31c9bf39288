using System.Globalization;
using DfPO.Actors.Timing;
using DfPO.Models;

namespace DfPO.Actors.Experiments;

/// <summary>
/// The right to write a run's folder: whoever holds it is the run's learner. The operating system keeps it (an advisory lock on
/// <c>run.lock</c>, also over a shared file system) and gives it back when the process dies, however it dies. A cluster that falls apart
/// may have two candidates; it never has two holders.
/// </summary>
public sealed class RunLock : IDisposable
{
    private static readonly TimeSpan s_retry = TimeSpan.FromMilliseconds(250),
        s_step = TimeSpan.FromSeconds(3);
    private readonly FileStream _file;

    private RunLock(FileStream file) => _file = file;

    /// <summary>Takes the lock, waiting for its holder to go.</summary>
    /// <param name="runFolder">Folder of the run.</param>
    /// <param name="patience">How long to wait.</param>
    /// <param name="cancellation">Ends the waiting.</param>
    /// <exception cref="DfpoException"><c>run/locked</c>: another process holds it still, with who and since when; <c>run/folder</c>: the
    /// folder cannot be written.</exception>
    public static async Task<RunLock> Acquire(string runFolder, TimeSpan patience, CancellationToken cancellation)
    {
        var path = Path.Combine(runFolder, "run.lock");
        var clock = new ActiveClock(TimeProvider.System, s_step);
        for (; ; await Task.Delay(s_retry, cancellation))
        {
            if (TryOpen(path) is { } file)
                return new RunLock(file);
            if (clock.Now >= patience)
                throw new DfpoException(
                    "run/locked",
                    $"Run folder '{runFolder}' is in use by {Holder(path)}: one run folder has one learner. Stop that process, or start another run."
                );
        }
    }

    /// <summary>The process that holds the lock of a run now, in words; null when none does.</summary>
    public static string? HolderOf(string runFolder)
    {
        var path = Path.Combine(runFolder, "run.lock");
        try
        {
            using var _ = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
            return null;
        }
        catch (IOException e) when (IsInUse(e))
        {
            return Holder(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null; // Whoever cannot write the folder cannot learn there either.
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    // The lock's own errors: EWOULDBLOCK of Linux and of macOS, sharing and lock violations of Windows.
    private static bool IsInUse(IOException error) => error.HResult is 11 or 35 or unchecked((int)0x80070020) or unchecked((int)0x80070021);

    private static FileStream? TryOpen(string path)
    {
        try
        {
            var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            try
            {
                // Beside the lock, because a locked file cannot be read.
                File.WriteAllText(
                    path + ".holder",
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"process {Environment.ProcessId} on {Environment.MachineName} since {DateTime.UtcNow:yyyy-MM-dd HH:mm:ss}Z"
                    )
                );
                return file;
            }
            catch
            {
                file.Dispose();
                throw;
            }
        }
        catch (IOException e) when (IsInUse(e))
        {
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DfpoException(
                "run/folder",
                $"Run folder '{Path.GetDirectoryName(path)}' cannot be written ({e.Message.TrimEnd('.')}): whoever learns writes there; make room, or give this user the right to.",
                e
            );
        }
    }

    private static string Holder(string path)
    {
        try
        {
            return File.ReadAllText(path + ".holder");
        }
        catch (IOException)
        {
            return "another process";
        }
    }
}
