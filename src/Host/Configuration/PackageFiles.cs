namespace DfPO.Host.Configuration;

/// <summary>
/// Where relative paths lead: the current directory first, then the nearest folder from the executable upwards that holds <c>models/</c>
/// and <c>hocon/</c>, which is the repository of a build and the application's own folder once published.
/// </summary>
public static class PackageFiles
{
    /// <summary>The folder found upwards from the executable; null when there is none.</summary>
    public static string? Base { get; } = FindBase(AppContext.BaseDirectory);

    /// <summary>The absolute path of an existing file or folder; when neither place has it, the one in the current directory.</summary>
    public static string Resolve(string path) => Resolve(path, Directory.GetCurrentDirectory(), Base);

    /// <summary>
    /// The same for what a run without arguments reads: the program's own folder goes first, so that a folder of the same layout that one
    /// happens to stand in decides neither what runs nor what is loaded.
    /// </summary>
    public static string ResolveOwn(string path) => ResolveOwn(path, Directory.GetCurrentDirectory(), Base);

    internal static string ResolveOwn(string path, string current, string? packageBase)
    {
        var packaged = packageBase is null || Path.IsPathRooted(path) ? null : Path.GetFullPath(path, packageBase);
        return packaged is not null && Exists(packaged) ? packaged : Resolve(path, current, packageBase);
    }

    internal static string Resolve(string path, string current, string? packageBase)
    {
        var here = Path.GetFullPath(path, current);
        if (Path.IsPathRooted(path) || packageBase is null || Exists(here))
            return here;
        var packaged = Path.GetFullPath(path, packageBase);
        return Exists(packaged) ? packaged : here;
    }

    internal static string? FindBase(string from)
    {
        for (var folder = new DirectoryInfo(from); folder is not null; folder = folder.Parent)
            if (Directory.Exists(Path.Combine(folder.FullName, "models")) && Directory.Exists(Path.Combine(folder.FullName, "hocon")))
                return folder.FullName;
        return null;
    }

    private static bool Exists(string path) => File.Exists(path) || Directory.Exists(path);
}
