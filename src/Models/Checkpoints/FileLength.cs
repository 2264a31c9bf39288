namespace DfPO.Models.Checkpoints;

/// <summary>Sizes of files that may be links, as those of a hub's cache are: <see cref="FileInfo"/> gives the size of the link.</summary>
public static class FileLength
{
    /// <summary>Bytes of a file's content.</summary>
    public static long Of(string path)
    {
        using var handle = File.OpenHandle(path);
        return RandomAccess.GetLength(handle);
    }
}
