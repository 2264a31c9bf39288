namespace DfPO.Tests.Support;

/// <summary>Places in the repository that the tests were built from.</summary>
internal static class Repository
{
    public static string Root { get; } = FindRoot();

    /// <summary>Expectations made by the original implementations; <c>DFPO_FIXTURES</c> names another folder of the same form.</summary>
    public static string Fixtures { get; } = FolderOf("DFPO_FIXTURES", "tests/fixtures");

    /// <summary>Tokenizer vectors; <c>DFPO_VECTORS</c> names another folder of the same form.</summary>
    public static string Vectors { get; } = FolderOf("DFPO_VECTORS", "tests/vectors");

    public static string Gpt2Tokenizer { get; } = Path("tests/tokenizers/gpt2");

    public static string Path(string relative) => System.IO.Path.Combine(Root, relative);

    private static string FolderOf(string variable, string relative) => Environment.GetEnvironmentVariable(variable) is { Length: > 0 } given ? given : Path(relative);

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(System.IO.Path.Combine(folder.FullName, "DfPO.sln")))
            folder = folder.Parent ?? throw new DirectoryNotFoundException("No DfPO.sln above the tests.");
        return folder.FullName;
    }
}
