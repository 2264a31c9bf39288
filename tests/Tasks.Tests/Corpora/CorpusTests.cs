using DfPO.Tasks.Corpora;

namespace DfPO.Tasks.Tests.Corpora;

public sealed class CorpusTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void AFolderIsReadRecursivelyInOrdinalOrderOfThePaths()
    {
        _folder.Write("b.txt", "second");
        _folder.Write("a/x.txt", "first\nwith two lines");
        _folder.Write("c.txt", " <br /><br /> ");
        _folder.Write("ignored.md", "no");

        Assert.Equal(["first with two lines", "second"], TextCorpus.Read(_folder.Path));
    }

    [Fact]
    public void ATextFileHoldsADocumentALine() =>
        Assert.Equal(["one  two".Replace("  ", " "), "three"], TextCorpus.Read(_folder.Write("t.txt", "one  two\r\n\n three \n")));

    [Fact]
    public void AJsonLinesFileGivesTheFieldAskedFor()
    {
        var path = _folder.Write("t.jsonl", "{\"text\": \"a<br />b\", \"review\": \"r1\"}\n\n{\"text\": \"c\", \"review\": 2}\n");

        Assert.Equal(["a b", "c"], TextCorpus.Read(path));
        Assert.Equal(["r1", "2"], TextCorpus.Read(path, "review"));
    }

    [Fact]
    public void TextThatIsNotThereIsNamed()
    {
        Directory.CreateDirectory(Path.Combine(_folder.Path, "empty"));

        Assert.Equal("corpus/missing", CodeOf(() => _ = TextCorpus.Read(Path.Combine(_folder.Path, "none")).ToList(), "none"));
        Assert.Equal("corpus/missing", CodeOf(() => _ = TextCorpus.Read(Path.Combine(_folder.Path, "empty")).ToList(), "empty", ".txt"));
        Assert.Equal("corpus/missing", CodeOf(() => LabeledCorpus.Read(Path.Combine(_folder.Path, "none.jsonl")), "none.jsonl"));
    }

    [Theory]
    [InlineData("{\"text\": \"b\"", "valid JSON")]
    [InlineData("[1]", "object")]
    [InlineData("7", "object")]
    [InlineData("{\"words\": \"b\"}", "'text'")]
    [InlineData("{\"text\": [\"b\"]}", "'text'")]
    [InlineData("{\"text\": null}", "'text'")]
    public void ABadRowIsNamedByFileLineAndField(string row, string word)
    {
        var path = _folder.Write("t.jsonl", "{\"text\": \"a\", \"label\": \"x\"}\n" + row + "\n");

        Assert.Equal("corpus/malformed", CodeOf(() => _ = TextCorpus.Read(path).ToList(), path, "line 2", word));
        Assert.Equal("corpus/malformed", CodeOf(() => LabeledCorpus.Read(path), path, "line 2", word));
    }

    [Fact]
    public void ARowWithoutLabelIsRefused()
    {
        var path = _folder.Write("t.jsonl", "{\"text\": \"a\", \"label\": \"x\"}\n{\"text\": \"b\"}\n");

        Assert.Equal("corpus/malformed", CodeOf(() => LabeledCorpus.Read(path), "line 2", "'label'"));
    }

    [Fact]
    public void SubFoldersAreTheClassesAndUnsupervisedTextIsLeftOut()
    {
        _folder.Write("pos/1.txt", "fine");
        _folder.Write("neg/1.txt", "poor");
        _folder.Write("neg/2.txt", "<br />");
        _folder.Write("unsup/1.txt", "unknown");

        var corpus = LabeledCorpus.Read(_folder.Path);

        Assert.Equal(["neg", "pos"], corpus.Labels);
        Assert.Equal([new LabeledText("poor", 0), new LabeledText("fine", 1)], corpus.Texts);
    }

    [Fact]
    public void LabelsOfRowsAreNumberedInOrdinalOrder()
    {
        var corpus = LabeledCorpus.Read(
            _folder.Write(
                "t.jsonl",
                "{\"text\": \"a\", \"label\": \"z\"}\n{\"text\": \"b\", \"label\": 1}\n{\"text\": \"c\", \"label\": \"z\"}\n"
            )
        );

        Assert.Equal(["1", "z"], corpus.Labels);
        Assert.Equal([new LabeledText("a", 1), new LabeledText("b", 0), new LabeledText("c", 1)], corpus.Texts);
    }

    [Fact]
    public void OneClassIsNotEnough()
    {
        _folder.Write("pos/1.txt", "fine");

        Assert.Equal("corpus/labels", CodeOf(() => LabeledCorpus.Read(_folder.Path), _folder.Path, "1 class"));
        Assert.Equal(
            "corpus/labels",
            CodeOf(() => LabeledCorpus.Read(_folder.Write("t.jsonl", "{\"text\": \"a\", \"label\": \"z\"}")), "t.jsonl")
        );
    }
}
