namespace DfPO.Host.Tests.Documentation;

public sealed class LineTests
{
    private const int Most = 140;

    [Theory]
    [InlineData("*.md")]
    [InlineData("*.conf")]
    public void No_line_is_longer_than_a_reader_likes(string pattern) =>
        Assert.Empty(
            Pages
                .Files(pattern)
                .SelectMany(file =>
                    File.ReadLines(Repository.Path(file))
                        .Select((line, index) => (Text: line, Number: index + 1))
                        .Where(line => line.Text.Length > Most)
                        .Select(line => $"{file}:{line.Number}: {line.Text.Length} characters")
                )
        );
}
