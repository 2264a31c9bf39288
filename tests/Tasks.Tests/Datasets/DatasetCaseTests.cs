using System.Text;
using DfPO.Models;
using DfPO.Tasks.Corpora;
using DfPO.Tasks.Datasets;
using DfPO.Tasks.Tables;

namespace DfPO.Tasks.Tests.Datasets;

/// <summary>Data as it is found in the world.</summary>
public sealed class DatasetCaseTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void IntegersKeepAllTheirDigits()
    {
        var rows = Table.Read(Case("11-jsonl-large-integers/ids.jsonl"), new MalformedRows(0)).ToArray();
        Assert.Equal(["1234567890123456789", "1234567890123456788"], rows.Select(row => row.Text("id")));

        var more = Table
            .Read(
                _folder.Write("t.jsonl", "{\"a\": 123456789012345678901234567890, \"b\": -9223372036854775808, \"c\": 2.50, \"d\": 1e3}"),
                new MalformedRows(0)
            )
            .Single();
        Assert.Equal(
            ["123456789012345678901234567890", "-9223372036854775808", "2.5", "1000"],
            new[] { "a", "b", "c", "d" }.Select(more.Text)
        );
        Assert.Equal((1.2345678901234568e29, 2.5), (more.Number("a"), more.Number("c")));
    }

    [Fact]
    public void ReviewsThatAreNotUtf8AreMalformed()
    {
        var spec = new DatasetSpec
        {
            Format = DatasetFormat.Imdb,
            Path = Case("12-invalid-utf8-silently-replaced/imdb"),
            Split = DatasetSplit.Train,
        };
        var splits = new[] { DatasetSplit.Train, DatasetSplit.Validation }
            .Select(split => spec with { Split = split, MaxMalformed = 10 })
            .ToArray();
        var broken = Directory
            .GetFiles(spec.Path, "*.txt", SearchOption.AllDirectories)
            .Count(file => !System.Text.Unicode.Utf8.IsValid(File.ReadAllBytes(file)));
        Assert.NotEqual(0, broken);
        var passedOver = 0;
        foreach (var split in splits)
        {
            var order = ReportOf(split);
            passedOver += order.Malformed;
            Assert.All(order.Problems, problem => Assert.Contains("UTF-8", problem));
            if (order.Malformed > 0)
                Assert.Equal(
                    "dataset/malformed",
                    CodeOf(() => PromptDataset.Load(split with { MaxMalformed = 0 }), "review train/", "UTF-8")
                );
        }
        Assert.Equal(broken, passedOver);

        Assert.Equal("corpus/malformed", CodeOf(() => _ = TextCorpus.Read(spec.Path).ToList(), "imdb", ".txt", "UTF-8"));
        Assert.Equal("corpus/malformed", CodeOf(() => LabeledCorpus.Read(Path.Combine(spec.Path, "train")), ".txt", "UTF-8"));
    }

    [Fact]
    public void LinesThatAreNotUtf8AreNamed()
    {
        var prompts = Case("12-invalid-utf8-silently-replaced/prompts.txt");
        Assert.Equal(
            "prompts/malformed",
            CodeOf(() => _ = Utf8Lines.Read(prompts, "prompts/malformed").ToList(), prompts, "line 1", "UTF-8")
        );
        Assert.Equal(
            "prompts/malformed",
            CodeOf(
                () => _ = Utf8Lines.Read(File.OpenRead(prompts), "Standard input", "prompts/malformed").ToList(),
                "Standard input, line 1"
            )
        );
        Assert.Equal("corpus/malformed", CodeOf(() => _ = TextCorpus.Read(prompts).ToList(), prompts, "line 1"));
        File.WriteAllBytes(_folder["t.jsonl"], Encoding.Latin1.GetBytes("{\"text\": \"a\"}\n{\"text\": \"caf\xe9\"}\n"));
        Assert.Equal("corpus/malformed", CodeOf(() => _ = TextCorpus.Read(_folder["t.jsonl"]).ToList(), "line 2", "UTF-8"));
        // A byte order mark is no part of the text.
        Assert.Equal(
            ["Über", "b"],
            Utf8Lines.Read(new MemoryStream([.. Encoding.UTF8.GetPreamble(), .. "Über\nb\n"u8]), "Standard input", "prompts/malformed")
        );
    }

    [Fact]
    public void ParquetTextsThatAreNotUtf8AreMalformedWhereTheyAreAskedFor()
    {
        var path = Case("12-invalid-utf8-silently-replaced/latin1.parquet");
        var rows = Table.Read(path, new MalformedRows(0)).ToArray();
        Assert.Equal("0", rows[0].Text("string_col"));
        Assert.Equal("dataset/malformed", CodeOf(() => rows[0].Text("date_string_col"), path, "line 1", "UTF-8"));

        var spec = new DatasetSpec
        {
            Format = DatasetFormat.Table,
            Path = path,
            TextColumn = "date_string_col",
            MaxMalformed = 8,
        };
        var report = PromptDataset.Load(spec).Report;
        Assert.Equal(rows.Length, report.Malformed + report.Prompts + report.Duplicates);
        Assert.NotEqual(0, report.Malformed);
    }

    [Fact]
    public void AColumnThatNobodyAsksForIsNotInTheWay()
    {
        var path = Case("14-parquet-unused-column/datapage_v2.snappy.parquet");
        var rows = Table.Read(path, new MalformedRows(0)).ToArray();

        Assert.Equal(["abc", "abc", "abc", null, "abc"], rows.Select(row => row.Texts("a").SingleOrDefault()));
        Assert.Equal([1, 2, 3, 4, 5], rows.Select(row => row.Number("b")!.Value));
        Assert.True(rows[0].Has("d"));
        Assert.Equal("dataset/format", CodeOf(() => rows[0].Text("d"), path, "'d'"));
    }

    [Fact]
    public void AQuoteThatNeverClosesIsNamedWithAllThatItSwallows()
    {
        var path = Case("19-stray-quote-csv/unbalanced.csv");
        var malformed = new MalformedRows(10);
        Assert.Empty(Table.Read(path, malformed));
        Assert.Equal(4, malformed.Count);
        Assert.Contains("line 2", Assert.Single(malformed.First));
        Assert.Contains("never closes", malformed.First[0]);
        Assert.Equal("dataset/malformed", CodeOf(() => Table.Read(path, new MalformedRows(3)).ToArray(), path, "line 2"));
    }

    [Fact]
    public void AQuoteThatRunsIntoTheNextLineIsNamedWithAllThatItSwallows()
    {
        var malformed = new MalformedRows(10);
        var rows = Table.Read(Case("19-stray-quote-csv/unbalanced2.tsv"), malformed).Select(row => row.Text("text")).ToArray();

        Assert.Equal("Alpha", rows[0]);
        Assert.Equal(5, rows.Length + malformed.Count);
        Assert.DoesNotContain(rows, row => row.Contains('"') || row.Contains('\n'));
        Assert.Contains("line 3", malformed.First[0]);
        Assert.Contains("swallows", malformed.First[0]);
    }

    [Fact]
    public void HiddenFilesAreNoData()
    {
        _folder.Write("c/pos/1.txt", "good");
        _folder.Write("c/pos/._1.txt", "\0\0");
        _folder.Write("c/neg/2.txt", "bad");
        _folder.Write("c/neg/.ipynb_checkpoints/2-checkpoint.txt", "bad");
        _folder.Write("c/.ipynb_checkpoints/3.txt", "x");

        Assert.Equal(["bad", "good"], TextCorpus.Read(_folder["c"]));
        var corpus = LabeledCorpus.Read(_folder["c"]);
        Assert.Equal(["neg", "pos"], corpus.Labels);
        Assert.Equal(2, corpus.Texts.Count);

        foreach (var name in new[] { "i/train/pos/1_9.txt", "i/train/neg/2_1.txt", "i/train/pos/._1_9.txt", "i/train/neg/.2_1.txt" })
            _folder.Write(name, "A film of some words that can be parted");
        var spec = new DatasetSpec
        {
            Format = DatasetFormat.Imdb,
            Path = _folder["i"],
            Split = DatasetSplit.Train,
        };
        Assert.Equal(1, PromptDataset.Load(spec).Report.Prompts);
    }

    [Fact]
    public void APointerInPlaceOfDataIsCalledOne()
    {
        foreach (var name in new[] { "t.jsonl", "t.csv", "t.parquet" })
        {
            var path = _folder.Write(name, "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n");
            Assert.Equal("file/lfs-pointer", CodeOf(() => Table.Read(path, new MalformedRows(10)).ToArray(), path, "git lfs pull"));
        }
        Assert.Equal("file/lfs-pointer", CodeOf(() => _ = TextCorpus.Read(_folder["t.jsonl"]).ToList(), _folder["t.jsonl"]));
    }

    /// <summary>Rows passed over, also where nothing is left.</summary>
    private static (int Malformed, IReadOnlyList<string> Problems) ReportOf(DatasetSpec spec)
    {
        try
        {
            var report = PromptDataset.Load(spec).Report;
            return (report.Malformed, report.Problems);
        }
        catch (DfpoException e) when (e.Code == "dataset/empty")
        {
            return (1, [e.Message]);
        }
    }

    private static string Case(string relative)
    {
        var path = Path.Combine(Repository.Cases, relative);
        Assert.SkipUnless(Path.Exists(path), $"the cases hold no '{relative}'");
        return path;
    }
}
