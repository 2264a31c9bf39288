using DfPO.Tasks.Prompts;

namespace DfPO.Tasks.Tests.Prompts;

public sealed class PromptSetTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void ReadsPromptsInTheFilesOrderAndSkipsBlankLines()
    {
        var set = PromptSet.Read(
            _folder.Write(
                "p.jsonl",
                "{\"id\": \"b\", \"text\": \"Über die\"}\n\n  \n{\"text\": \" It was\", \"id\": \"a\", \"extra\": [1]}\n"
            )
        );

        Assert.Equal([new Prompt("b", "Über die"), new Prompt("a", " It was")], set.Prompts);
    }

    [Fact]
    public void AFileThatIsNotThereIsNamed() =>
        Assert.Equal("prompts/missing", CodeOf(() => PromptSet.Read(Path.Combine(_folder.Path, "none.jsonl")), "none.jsonl"));

    [Theory]
    [InlineData("{\"id\": \"a\", \"text\": ", "valid JSON")]
    [InlineData("[\"a\"]", "object")]
    [InlineData("\"a\"", "object")]
    [InlineData("{\"id\": \"a\"}", "'text'")]
    [InlineData("{\"text\": \"a\"}", "'id'")]
    [InlineData("{\"id\": 3, \"text\": \"a\"}", "'id'")]
    [InlineData("{\"id\": \"a\", \"text\": null}", "'text'")]
    [InlineData("{\"id\": \"a\", \"text\": \"\\ud800\"}", "Unicode")]
    public void AMalformedLineIsNamedByFileAndNumber(string line, string word)
    {
        var path = _folder.Write("p.jsonl", "{\"id\": \"first\", \"text\": \"good\"}\n\n" + line + "\n");

        Assert.Equal("prompts/malformed", CodeOf(() => PromptSet.Read(path), path, "line 3", word));
    }

    [Fact]
    public void BytesThatAreNoUtf8AreNamedByFileAndNumber()
    {
        File.WriteAllBytes(
            _folder["p.jsonl"],
            System.Text.Encoding.Latin1.GetBytes("{\"id\": \"a\", \"text\": \"x\"}\n{\"id\": \"b\", \"text\": \"caf\u00e9\"}\n")
        );

        Assert.Equal("prompts/malformed", CodeOf(() => PromptSet.Read(_folder["p.jsonl"]), "p.jsonl", "line 2", "UTF-8"));
    }

    [Theory]
    [InlineData("{\"id\": \"a\", \"text\": \"\"}", "'text'")]
    [InlineData("{\"id\": \"a\", \"text\": \" \\t\"}", "'text'")]
    [InlineData("{\"id\": \"\", \"text\": \"a\"}", "'id'")]
    public void AnEmptyFieldIsNamedByFileAndNumber(string line, string word)
    {
        var path = _folder.Write("p.jsonl", line);

        Assert.Equal("prompts/empty", CodeOf(() => PromptSet.Read(path), path, "line 1", word));
    }

    [Theory]
    [InlineData("")]
    [InlineData("\n \n")]
    public void AFileWithoutPromptsIsRefused(string text)
    {
        var path = _folder.Write("p.jsonl", text);

        Assert.Equal("prompts/empty", CodeOf(() => PromptSet.Read(path), path));
    }

    [Fact]
    public void AnIdThatStandsTwiceIsNamedWithBothLines()
    {
        var path = _folder.Write(
            "p.jsonl",
            "{\"id\": \"a\", \"text\": \"x\"}\n{\"id\": \"b\", \"text\": \"x\"}\n{\"id\": \"a\", \"text\": \"y\"}\n"
        );

        Assert.Equal("prompts/duplicate", CodeOf(() => PromptSet.Read(path), path, "line 3", "line 1", "'a'"));
    }

    [Fact]
    public void EachEpochDrawsEveryPromptOnceInAnotherOrder()
    {
        var set = Numbered(50);

        var epochs = Enumerable.Range(0, 4).Select(epoch => Ids(set, 7, epoch * 50, 50)).ToArray();

        foreach (var epoch in epochs)
            Assert.Equal(set.Prompts.Select(p => p.Id).Order(), epoch.Order());
        Assert.Equal(4, epochs.Select(epoch => string.Join(' ', epoch)).Distinct().Count());
    }

    [Fact]
    public void ADrawDependsOnSeedAndIndexAlone()
    {
        var inOrder = Ids(Numbered(13), 5, 0, 100);
        var other = Numbered(13);

        foreach (var index in Enumerable.Range(0, 100).Reverse())
        {
            other.Draw(seed: 99, index);
            Assert.Equal(inOrder[index], other.Draw(5, index).Id);
        }
    }

    [Fact]
    public void StreamsOfNeighbouringSeedsShareNoEpoch()
    {
        var set = Numbered(20);

        var epochs =
            from seed in Enumerable.Range(0, 5)
            from epoch in Enumerable.Range(0, 5)
            select string.Join(' ', Ids(set, (ulong)seed, epoch * 20, 20));

        Assert.Equal(25, epochs.Distinct().Count());
    }

    [Fact]
    public void FarDrawsWorkAndNegativeOnesDoNot()
    {
        var set = Numbered(3);

        Assert.Contains(set.Draw(ulong.MaxValue, long.MaxValue), set.Prompts);
        Assert.Throws<ArgumentOutOfRangeException>(() => set.Draw(0, -1));
    }

    [Fact]
    public void ManyThreadsDrawWhatOneDraws()
    {
        var set = Numbered(17);
        var expected = Ids(Numbered(17), 1, 0, 2000);

        Parallel.For(0, 2000, index => Assert.Equal(expected[index], set.Draw(1, index).Id));
    }

    private static PromptSet Numbered(int count) => new([.. Enumerable.Range(0, count).Select(i => new Prompt($"{i}", $"text {i}"))]);

    private static string[] Ids(PromptSet set, ulong seed, long start, int count) =>
        [.. Enumerable.Range(0, count).Select(i => set.Draw(seed, start + i).Id)];
}
