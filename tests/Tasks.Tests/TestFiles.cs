using DfPO.Models;

namespace DfPO.Tasks.Tests;

/// <summary>Where the files that tests compare with lie.</summary>
internal static class TestFiles
{
    public static string Root { get; } = FindRoot();

    public static string Fixtures { get; } = Environment.GetEnvironmentVariable("DFPO_FIXTURES") ?? Path.Combine(Root, "tests", "fixtures");

    public static string Gpt2Tokenizer { get; } = Path.Combine(Root, "tests", "tokenizers", "gpt2");

    /// <summary>The code of the <see cref="DfpoException"/> that an action throws, after a check that its message holds all of some words.</summary>
    public static string CodeOf(Action action, params string[] words)
    {
        var error = Assert.Throws<DfpoException>(action);
        foreach (var word in words)
            Assert.Contains(word, error.Message);
        return error.Code;
    }

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "DfPO.sln")))
            folder = folder.Parent ?? throw new DirectoryNotFoundException("No DfPO.sln above the tests.");
        return folder.FullName;
    }
}
