using System.Formats.Tar;
using DfPO.Models;
using SharpCompress.Compressors.Xz;

namespace DfPO.Tasks.Tables;

/// <summary>A file of an archive; its content can be read until the next entry is asked for.</summary>
/// <param name="Name">Path inside the archive.</param>
/// <param name="Content">Forward-only stream of the file.</param>
public sealed record ArchiveFile(string Name, Stream Content);

/// <summary>Tar archives, streamed: .tar, .tar.gz, .tgz and .tar.xz.</summary>
public static class TarArchive
{
    private static readonly string[] s_endings = [".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz"];

    /// <summary>Whether a file's name is that of an archive that can be read here.</summary>
    public static bool IsArchive(string path) => s_endings.Any(ending => path.EndsWith(ending, StringComparison.OrdinalIgnoreCase));

    /// <summary>The archive's files in its order.</summary>
    /// <exception cref="DfpoException"><c>archive/unknown</c>: another kind of file; <c>archive/damaged</c>: it cannot be unpacked;
    /// <c>archive/bomb</c>: it would unpack to far more than texts do.</exception>
    public static IEnumerable<ArchiveFile> Read(string path)
    {
        if (!IsArchive(path))
            throw new DfpoException(
                "archive/unknown",
                $"'{path}' is not an archive that can be read here: give {string.Join(", ", s_endings)}, or an unpacked folder."
            );
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16, FileOptions.SequentialScan);
        using var unpacked = Unpack(path, file);
        using var reader = new TarReader(unpacked);
        while (Next(reader, path) is { } entry)
            if (entry.EntryType is TarEntryType.RegularFile or TarEntryType.V7RegularFile)
                yield return new ArchiveFile(entry.Name, entry.DataStream ?? Stream.Null);
    }

    private static TarEntry? Next(TarReader reader, string path)
    {
        try
        {
            return reader.GetNextEntry();
        }
        catch (Exception e) when (e is not DfpoException)
        {
            throw new DfpoException(
                "archive/damaged",
                $"Archive '{path}' cannot be unpacked ({e.Message}): it is cut off or damaged, fetch it again.",
                e
            );
        }
    }

    private static Stream Unpack(string path, FileStream file) =>
        path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase) || path.EndsWith(".tgz", StringComparison.OrdinalIgnoreCase)
            ? Unpacked.Gzip(file)
        : path.EndsWith("xz", StringComparison.OrdinalIgnoreCase)
            ? new BufferedStream(new Unpacked(new XZStream(file), path, file.Length), 1 << 16)
        : file;
}
