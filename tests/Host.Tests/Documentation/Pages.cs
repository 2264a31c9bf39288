using System.Text.RegularExpressions;

namespace DfPO.Host.Tests.Documentation;

/// <summary>The repository's pages, and what stands in them.</summary>
internal static partial class Pages
{
    // Another project's licence stands as it is; what a run or a build leaves is not ours to judge.
    private static readonly string[] s_notOurs = ["bin", "obj", ".git", "runs", "artifacts", "TestResults", "assets", "node_modules"];

    /// <summary>Every Markdown file, by its path from the root.</summary>
    public static IReadOnlyList<string> All { get; } = Files("*.md");

    /// <summary>The pages that a reader is led to: not those beside tests' data.</summary>
    public static IReadOnlyList<string> ForReaders { get; } = [.. All.Where(page => !page.StartsWith("tests/", StringComparison.Ordinal))];

    /// <summary>Files of a pattern, by their paths from the root.</summary>
    public static IReadOnlyList<string> Files(string pattern) =>
        [.. Walk(Repository.Root, pattern).Select(file => Path.GetRelativePath(Repository.Root, file)).Order(StringComparer.Ordinal)];

    /// <summary>A page's text.</summary>
    public static string Read(string page) => File.ReadAllText(Repository.Path(page));

    /// <summary>The code blocks of a language in a page.</summary>
    public static IEnumerable<string> Blocks(string page, string language) =>
        Fenced().Matches(Read(page)).Where(block => block.Groups["language"].Value == language).Select(block => block.Groups["code"].Value);

    /// <summary>A page's text without its code blocks.</summary>
    public static string Prose(string page) => Fenced().Replace(Read(page), "");

    /// <summary>The anchors that a page's headings have on the web: lower case, without punctuation, hyphens for blanks.</summary>
    public static IEnumerable<string> Anchors(string page) =>
        Heading()
            .Matches(Prose(page))
            .Select(heading => NoWord().Replace(heading.Groups[1].Value.ToLowerInvariant(), "").Trim().Replace(' ', '-'));

    private static IEnumerable<string> Walk(string folder, string pattern) =>
        Directory
            .EnumerateFiles(folder, pattern)
            .Concat(
                Directory
                    .EnumerateDirectories(folder)
                    .Where(inner => !s_notOurs.Contains(Path.GetFileName(inner)))
                    .SelectMany(inner => Walk(inner, pattern))
            );

    [GeneratedRegex(@"^[ ]*```(?<language>[\w ]*)\n(?<code>.*?)^[ ]*```$", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Fenced();

    [GeneratedRegex(@"^#+ (.+)$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex(@"[^\w\- ]")]
    private static partial Regex NoWord();
}
