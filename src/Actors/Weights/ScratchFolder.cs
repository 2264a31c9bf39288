namespace DfPO.Actors.Weights;

/// <summary>
/// A temporary folder of this process, which nobody else of the machine can look into. It is deleted at the end; where the process died
/// first, the next one that makes such a folder deletes it.
/// </summary>
public sealed class ScratchFolder : IDisposable
{
    private const string Prefix = "dfpo-scratch-",
        Alive = ".alive";
    private readonly FileStream _alive;

    private ScratchFolder(string path, FileStream alive) => (Path, _alive) = (path, alive);

    /// <summary>Where it is.</summary>
    public string Path { get; }

    /// <summary>Makes one.</summary>
    public static ScratchFolder Create()
    {
        Sweep();
        var path = Directory.CreateTempSubdirectory(Prefix).FullName;
        return new(path, Hold(path));
    }

    /// <summary>Deletes what processes left that are gone: the system gave back the lock that they held.</summary>
    internal static void Sweep()
    {
        foreach (var left in Directory.EnumerateDirectories(System.IO.Path.GetTempPath(), Prefix + "*"))
            try
            {
                // One that has no lock yet is being made.
                if (File.Exists(System.IO.Path.Combine(left, Alive)))
                {
                    Hold(left).Dispose();
                    Directory.Delete(left, recursive: true);
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // In use, or of another user.
            }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _alive.Dispose();
        if (Directory.Exists(Path))
            Directory.Delete(Path, recursive: true);
    }

    private static FileStream Hold(string folder) =>
        new(System.IO.Path.Combine(folder, Alive), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
}
