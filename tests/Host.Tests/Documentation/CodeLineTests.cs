using System.Text.RegularExpressions;

namespace DfPO.Host.Tests.Documentation;

public sealed partial class CodeLineTests
{
    private const int Most = 140;

    /// <summary>Texts are not broken: a message is one line in the source as it is on the screen. All else is.</summary>
    [Fact]
    public void No_line_of_code_is_longer_than_a_reader_likes_but_for_its_texts() =>
        Assert.Empty(
            Pages.Files("*.cs").SelectMany(file => Long(File.ReadLines(Repository.Path(file))).Select(number => $"{file}:{number}"))
        );

    private static IEnumerable<int> Long(IEnumerable<string> lines)
    {
        var raw = false;
        foreach (var (index, line) in lines.Index())
        {
            if (!raw && Text().Replace(line, "").Length > Most)
                yield return index + 1;
            raw ^= RawQuote().Count(line) % 2 == 1;
        }
    }

    [GeneratedRegex("\"\"\".*?\"\"\"|\"(?:[^\"\\\\]|\\\\.)*\"")]
    private static partial Regex Text();

    [GeneratedRegex("\"\"\"")]
    private static partial Regex RawQuote();
}
