using System.IO.Compression;
using System.Text;
using DfPO.Tasks.Tables;
using Parquet.Serialization;

namespace DfPO.Tasks.Tests.Datasets;

public sealed class TableTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task TheSameTableInEachFormatGivesTheSameRows()
    {
        var csv = _folder.Write("t.csv", "text,note\n\"one, \"\"two\"\"\nthree\",a\nÜber,b\n");
        var tsv = _folder.Write("t.tsv", "text\tnote\n\"one, \"\"two\"\"\nthree\"\ta\nÜber\tb\n");
        var json = _folder.Write(
            "t.jsonl",
            "{\"text\": \"one, \\\"two\\\"\\nthree\", \"note\": \"a\"}\n\n{\"text\": \"Über\", \"note\": \"b\"}\n"
        );
        using (var zip = new GZipStream(File.Create(_folder["t.jsonl.gz"]), CompressionLevel.Fastest))
            zip.Write(File.ReadAllBytes(json));
        await ParquetSerializer.SerializeAsync(
            [new Row { text = "one, \"two\"\nthree", note = "a" }, new Row { text = "Über", note = "b" }],
            _folder["t.parquet"]
        );

        foreach (var path in new[] { csv, tsv, json, _folder["t.jsonl.gz"], _folder["t.parquet"] })
        {
            Assert.True(Table.IsTable(path));
            Assert.Equal(
                [("one, \"two\"\nthree", "a"), ("Über", "b")],
                Table.Read(path, new MalformedRows(0)).Select(row => (row.Text("text"), row.Text("note")))
            );
        }
    }

    [Fact]
    public async Task ListsAndStructuresAreReadFromJsonAndParquet()
    {
        var json = _folder.Write(
            "n.jsonl",
            "{\"words\": [\"a\", \"\", \"b\"], \"inner\": {\"text\": \"deep\", \"score\": 0.25}}\n{\"words\": null, \"inner\": {\"text\": \"deep\", \"score\": null}}\n"
        );
        await ParquetSerializer.SerializeAsync(
            [
                new Nested
                {
                    words = ["a", "", "b"],
                    inner = new Inner { text = "deep", score = 0.25 },
                },
                new Nested
                {
                    words = [],
                    inner = new Inner { text = "deep" },
                },
            ],
            _folder["n.parquet"]
        );

        foreach (var path in new[] { json, _folder["n.parquet"] })
        {
            var rows = Table.Read(path, new MalformedRows(0)).ToArray();
            Assert.Equal(["a", "b"], rows[0].Texts("words"));
            Assert.Equal(("deep", 0.25), (rows[0].Text("inner.text"), rows[0].Number("inner.score")));
            Assert.Empty(rows[1].Texts("words"));
            Assert.Null(rows[1].Number("inner.score"));
        }
    }

    [Theory]
    [InlineData("{\"text\": 1", "not valid JSON")]
    [InlineData("[1]", "not a JSON object")]
    [InlineData("{\"text\": \"\\ud800\"}", "Unicode")]
    [InlineData("{\"text\": \"caf\xe9\"}", "UTF-8")]
    public void AMalformedJsonLineIsPassedOverUpToTheLimit(string line, string reason)
    {
        _folder.Write("t.jsonl", "");
        File.WriteAllBytes(_folder["t.jsonl"], Encoding.Latin1.GetBytes($"{{\"text\": \"a\"}}\n\n{line}\n{{\"text\": \"b\"}}\n"));
        var malformed = new MalformedRows(1);

        Assert.Equal(["a", "b"], Table.Read(_folder["t.jsonl"], malformed).Select(row => row.Text("text")));
        Assert.Equal(1, malformed.Count);
        Assert.Contains("line 3", malformed.First[0]);
        Assert.Contains(reason, malformed.First[0]);
        Assert.Equal(
            "dataset/malformed",
            CodeOf(() => Table.Read(_folder["t.jsonl"], new MalformedRows(0)).ToArray(), "t.jsonl", "line 3", reason)
        );
    }

    [Theory]
    [InlineData("a,b,c", "3 fields instead of 2")]
    [InlineData("a", "1 fields instead of 2")]
    [InlineData("say \"x\",b", "double quote")]
    [InlineData("caf\xe9,b", "UTF-8")]
    public void AMalformedCsvRecordIsNamedByTheLineItBeginsIn(string record, string reason)
    {
        File.WriteAllBytes(_folder["t.csv"], Encoding.Latin1.GetBytes($"text,note\n\"two\nlines\",x\n{record}\ngood,y\n"));
        var malformed = new MalformedRows(1);

        Assert.Equal(["two\nlines", "good"], Table.Read(_folder["t.csv"], malformed).Select(row => row.Text("text")));
        Assert.Contains("line 4", malformed.First.Single());
        Assert.Contains(reason, malformed.First.Single());
    }

    [Fact]
    public void MoreMalformedRowsThanTheLimitMakeTheFileWrong()
    {
        var path = _folder.Write("t.jsonl", string.Concat(Enumerable.Repeat("oops\n", 12)));

        Assert.Equal(
            "dataset/malformed",
            CodeOf(() => Table.Read(path, new MalformedRows(10)).ToArray(), "More than 10", "line 1", "line 5")
        );
    }

    [Fact]
    public void AColumnThatTheFirstRowLacksIsAWrongColumnAndALaterOneAMalformedRow()
    {
        var rows = Table.Read(_folder.Write("t.jsonl", "{\"text\": \"a\"}\n{\"words\": \"b\"}\n"), new MalformedRows(0)).ToArray();

        Assert.Equal("dataset/columns", CodeOf(() => rows[0].Text("prompt"), "'prompt'", "'text'"));
        Assert.Equal("dataset/malformed", CodeOf(() => rows[1].Text("text"), "line 2", "'text'"));
    }

    [Fact]
    public void FilesWithAByteOrderMarkAreDecodedByIt()
    {
        File.WriteAllText(_folder["t.csv"], "text\nÜber\n", Encoding.Unicode);
        File.WriteAllText(_folder["u.csv"], "text\nÜber\n", new UTF8Encoding(true));

        foreach (var name in new[] { "t.csv", "u.csv" })
            Assert.Equal("Über", Table.Read(_folder[name], new MalformedRows(0)).Single().Text("text"));
    }

    [Fact]
    public void WhatIsNoTableIsNamed()
    {
        Assert.Equal("dataset/missing", CodeOf(() => Table.Read(_folder["none.csv"], new MalformedRows(0)).ToArray(), "none.csv"));
        Assert.Equal(
            "dataset/format",
            CodeOf(() => Table.Read(_folder.Write("t.xls", "x"), new MalformedRows(0)).ToArray(), "t.xls", ".parquet")
        );
        Assert.Equal(
            "dataset/format",
            CodeOf(() => Table.Read(_folder.Write("t.parquet", "no parquet"), new MalformedRows(0)).ToArray(), "t.parquet")
        );
        Assert.Equal("dataset/empty", CodeOf(() => Table.Read(_folder.Write("t.csv", ""), new MalformedRows(0)).ToArray(), "t.csv"));
        Assert.Equal(
            "dataset/columns",
            CodeOf(() => Table.Read(_folder.Write("d.csv", "a,a\n1,2\n"), new MalformedRows(0)).ToArray(), "twice")
        );
    }

    public sealed class Row
    {
        public string? text { get; set; }

        public string? note { get; set; }
    }

    public sealed class Nested
    {
        public List<string>? words { get; set; }

        public Inner? inner { get; set; }
    }

    public sealed class Inner
    {
        public string? text { get; set; }

        public double? score { get; set; }
    }
}
