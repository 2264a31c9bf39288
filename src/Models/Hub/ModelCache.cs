namespace DfPO.Models.Hub;

/// <summary>A model in the cache.</summary>
/// <param name="Id"><c>organisation/name</c>.</param>
/// <param name="Commit">Its revision.</param>
/// <param name="Path">Checkpoint folder.</param>
/// <param name="Bytes">Size of its files.</param>
public sealed record CachedModel(string Id, string Commit, string Path, long Bytes);

/// <summary>The folder of pulled models, laid out as HF's own cache, so that either finds what the other has fetched.</summary>
/// <remarks>
/// <c>models--org--name/blobs/ETAG</c> holds contents, <c>snapshots/COMMIT/file</c> links to them, <c>refs/REVISION</c> names the commit.
/// </remarks>
/// <param name="root">The cache.</param>
public sealed class ModelCache(string root)
{
    /// <summary>All snapshots that have a <c>config.json</c>, by name.</summary>
    public IReadOnlyList<CachedModel> List()
    {
        if (!Directory.Exists(root))
            return [];
        return
        [
            .. from repository in Directory.GetDirectories(root, HubRepository.Prefix + "*").Order(StringComparer.Ordinal)
            let snapshots = Path.Combine(repository, "snapshots")
            where Directory.Exists(snapshots)
            from snapshot in Directory.GetDirectories(snapshots).Order(StringComparer.Ordinal)
            where File.Exists(Path.Combine(snapshot, "config.json"))
            select new CachedModel(
                Path.GetFileName(repository)[HubRepository.Prefix.Length..].Replace("--", "/"),
                Path.GetFileName(snapshot),
                snapshot,
                Directory.GetFiles(snapshot, "*", SearchOption.AllDirectories).Sum(Size)
            ),
        ];
    }

    internal string Blob(HubRepository repository, string etag) => Path.Combine(Prepare(repository, "blobs"), etag);

    internal string Snapshot(HubRepository repository, string commit) => Prepare(repository, Path.Combine("snapshots", commit));

    /// <summary>Makes a content appear under its name; a copy where links cannot be made.</summary>
    internal static void Link(string blob, string path)
    {
        if (File.Exists(path))
            return;
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        try
        {
            File.CreateSymbolicLink(path, Path.GetRelativePath(Path.GetDirectoryName(path)!, blob));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or PlatformNotSupportedException)
        {
            File.Copy(blob, path, overwrite: true);
        }
    }

    internal void Remember(HubRepository repository, string commit)
    {
        var path = Path.Combine(Prepare(repository, "refs"), repository.Revision);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, commit);
    }

    private string Prepare(HubRepository repository, string part) =>
        Directory.CreateDirectory(Path.Combine(root, repository.FolderName, part)).FullName;

    /// <summary>Of the file that a link leads to; a link into nothing counts for nothing.</summary>
    private static long Size(string path) =>
        new FileInfo(path) is var link && link.ResolveLinkTarget(returnFinalTarget: true) is FileInfo target
            ? target.Exists
                ? target.Length
                : 0
            : link.Length;
}
