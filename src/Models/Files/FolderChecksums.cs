using System.Security.Cryptography;

namespace DfPO.Models.Files;

/// <summary>Tells whether a folder is still what was written: a file of SHA-256 sums in it, as <c>sha256sum --check</c> reads it.</summary>
public static class FolderChecksums
{
    private const string Name = "checksums.sha256";

    /// <summary>Syncs every file of a folder to the disk, and writes its sum.</summary>
    public static void Seal(string folder)
    {
        var lines = Files(folder)
            .Select(file =>
            {
                using var stream = new FileStream(Path.Combine(folder, file), FileMode.Open, FileAccess.ReadWrite);
                stream.Flush(flushToDisk: true);
                return $"{Convert.ToHexStringLower(SHA256.HashData(stream))}  {file}\n";
            })
            .ToArray();
        DurableFile.Write(Path.Combine(folder, Name), string.Concat(lines));
    }

    /// <summary>What is damaged, in words; null when nothing is, or when the folder was never sealed.</summary>
    public static string? Problem(string folder)
    {
        var path = Path.Combine(folder, Name);
        if (!File.Exists(path))
            return null;
        var there = Files(folder).ToHashSet();
        foreach (var line in File.ReadAllLines(path))
        {
            if (line.Split("  ", 2) is not [{ Length: 64 } sum, var file])
                return $"{Name} has a line that is no checksum";
            if (!there.Contains(file))
                return $"{file} is missing";
            using var stream = File.OpenRead(Path.Combine(folder, file));
            if (Convert.ToHexStringLower(SHA256.HashData(stream)) != sum)
                return $"{file} is not what was written";
        }
        return null;
    }

    private static IEnumerable<string> Files(string folder) =>
        Directory
            .GetFiles(folder, "*", SearchOption.AllDirectories)
            .Select(file => Path.GetRelativePath(folder, file).Replace(Path.DirectorySeparatorChar, '/'))
            .Where(file => file != Name)
            .Order(StringComparer.Ordinal);
}
