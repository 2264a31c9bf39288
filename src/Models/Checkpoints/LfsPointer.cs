namespace DfPO.Models.Checkpoints;

/// <summary>What Git leaves in place of a large file when it was cloned without Git LFS: three lines that say where the file is.</summary>
/// <remarks>Source: the Git LFS specification, version 1.</remarks>
public static class LfsPointer
{
    private static ReadOnlySpan<byte> Beginning => "version https://git-lfs.github.com/spec/v1\n"u8;

    /// <summary>Refuses a pointer by name; any other file passes, as does one that is not there.</summary>
    /// <param name="path">A file that something else is about to be read from.</param>
    /// <exception cref="DfpoException"><c>file/lfs-pointer</c>.</exception>
    public static void Refuse(string path)
    {
        if (!File.Exists(path))
            return;
        using var stream = File.OpenRead(path);
        Span<byte> first = stackalloc byte[Beginning.Length];
        if (stream.ReadAtLeast(first, first.Length, throwOnEndOfStream: false) == first.Length && first.SequenceEqual(Beginning))
            throw new DfpoException(
                "file/lfs-pointer",
                $"'{path}' is a Git LFS pointer, not the file itself: run 'git lfs pull' in its repository, or download the file."
            );
    }
}
