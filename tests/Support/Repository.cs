namespace DfPO.Tests.Support;

/// <summary>Places in the repository that the tests were built from.</summary>
internal static class Repository
{
    public static string Root { get; } = FindRoot();

    /// <summary>Expectations made by the original implementations; <c>DFPO_FIXTURES</c> names another folder of the same form.</summary>
    public static string Fixtures { get; } = FolderOf("DFPO_FIXTURES", "tests/fixtures");

    /// <summary>Tokenizer vectors; <c>DFPO_VECTORS</c> names another folder of the same form.</summary>
    public static string Vectors { get; } = FolderOf("DFPO_VECTORS", "tests/vectors");

    /// <summary>Chat templates with what transformers renders from them; <c>DFPO_CHAT</c> names another folder of the same form.</summary>
    public static string Chat { get; } = FolderOf("DFPO_CHAT", "tests/chat");

    /// <summary>
    /// Real models with their oracles, which are not part of the repository: <c>DFPO_MODELS</c> names their folder, default
    /// <c>../shared/models</c> beside it.
    /// </summary>
    public static string Models { get; } = FolderOf("DFPO_MODELS", "../shared/models");

    /// <summary>Tokenizers; <c>DFPO_TOKENIZERS</c> names another folder, with <c>hf</c> inside.</summary>
    public static string Tokenizers { get; } = FolderOf("DFPO_TOKENIZERS", "tests/tokenizers");

    /// <summary>Inputs from the world that went wrong, a folder a case; <c>DFPO_CASES</c> names another folder of the same form.</summary>
    public static string Cases { get; } = FolderOf("DFPO_CASES", "tests/cases");

    public static string Gpt2Tokenizer { get; } = Path("tests/tokenizers/gpt2");

    public static string Path(string relative) => System.IO.Path.Combine(Root, relative);

    private static string FolderOf(string variable, string relative) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } given ? given : Path(relative);

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(System.IO.Path.Combine(folder.FullName, "DfPO.sln")))
            folder = folder.Parent ?? throw new DirectoryNotFoundException("No DfPO.sln above the tests.");
        return folder.FullName;
    }
}
