using System.Text.RegularExpressions;

namespace DfPO.Host.Tests.Documentation;

public sealed partial class LinkTests
{
    public static TheoryData<string> OfReaders => [.. Pages.ForReaders];

    [Theory]
    [MemberData(nameof(OfReaders))]
    public void A_link_leads_to_something_that_is_there(string page)
    {
        foreach (Match link in Link().Matches(Pages.Prose(page)))
        {
            var (target, anchor) = link.Groups[1].Value.Split('#') is [var path, var fragment]
                ? (path, fragment)
                : (link.Groups[1].Value, "");
            if (target.Contains("://", StringComparison.Ordinal))
                continue;
            var to =
                target.Length == 0
                    ? page
                    : Path.GetRelativePath(Repository.Root, Repository.Path(Path.Combine(Path.GetDirectoryName(page)!, target)));
            Assert.True(Path.Exists(Repository.Path(to)), $"{page}: '{target}' does not exist");
            if (anchor.Length > 0)
                Assert.True(Pages.Anchors(to).Contains(anchor), $"{page}: '{to}' has no heading for '#{anchor}'");
        }
    }

    [Fact]
    public void Every_page_of_the_documentation_is_reached_from_its_index()
    {
        var (reached, waiting) = (new HashSet<string>(), new Queue<string>(["docs/index.md"]));
        while (waiting.TryDequeue(out var page))
            if (reached.Add(page))
                foreach (Match link in Link().Matches(Pages.Prose(page)))
                    if (
                        link.Groups[1].Value.Split('#')[0] is { Length: > 0 } target
                        && target.EndsWith(".md", StringComparison.Ordinal)
                        && !target.Contains("://", StringComparison.Ordinal)
                    )
                        waiting.Enqueue(
                            Path.GetRelativePath(Repository.Root, Repository.Path(Path.Combine(Path.GetDirectoryName(page)!, target)))
                        );
        Assert.Empty(Pages.ForReaders.Where(page => page.StartsWith("docs/", StringComparison.Ordinal)).Except(reached));
    }

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Link();
}
