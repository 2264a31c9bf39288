namespace DfPO.Tests.Support;

/// <summary>
/// Data sets that are not part of the repository: <c>DFPO_DATA</c> names their folder, default <c>../shared/data</c> beside it. A test that
/// needs one is skipped where it is absent.
/// </summary>
internal static class SharedData
{
    private static readonly string s_folder = Environment.GetEnvironmentVariable("DFPO_DATA") is { Length: > 0 } given
        ? given
        : Repository.Path("../shared/data");

    /// <summary>A file or folder of the data, or a skipped test.</summary>
    public static string Path(string relative)
    {
        var path = System.IO.Path.GetFullPath(System.IO.Path.Combine(s_folder, relative));
        Assert.SkipUnless(System.IO.Path.Exists(path), $"needs '{relative}' of the data folder (set DFPO_DATA)");
        return path;
    }
}
