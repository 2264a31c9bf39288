using DfPO.Models;
using DfPO.Tasks.Tables;

namespace DfPO.Tasks.Corpora;

/// <summary>A text and the index of its class.</summary>
public sealed record LabeledText(string Text, int Label);

/// <summary>The columns of a table of labelled texts.</summary>
/// <param name="Text">Column of the text.</param>
/// <param name="Label">Column of the class, a text or a number.</param>
public sealed record LabeledColumns(string Text = "text", string Label = "label");

/// <summary>
/// Labelled documents: a folder or archive with one sub-folder of .txt files a class, such a folder or archive for each of <c>train</c> and
/// <c>test</c> (IMDB's layout), or a table (.jsonl, .csv, .tsv, .parquet).
/// </summary>
/// <param name="Labels">Class names in ordinal order.</param>
/// <param name="Texts">The documents.</param>
public sealed record LabeledCorpus(IReadOnlyList<string> Labels, IReadOnlyList<LabeledText> Texts)
{
    private const string TrainPart = "train";
    private const string TestPart = "test";
    private const string Unlabelled = "unsup";
    private const int TestEvery = 10;

    /// <summary>
    /// Reads a corpus, of one with parts the training part. Folders named <c>unsup</c> are IMDB's unlabelled part; they and hidden ones are
    /// left out. IMDB's line-break tags become spaces.
    /// </summary>
    /// <exception cref="DfpoException"><c>corpus/missing</c>, <c>corpus/malformed</c>, <c>corpus/labels</c>, <c>dataset/columns</c>, or
    /// what reading an archive gives.</exception>
    public static LabeledCorpus Read(string path, LabeledColumns? columns = null) =>
        Of(path, Rows(path, columns ?? new()).Where(row => row.Part != TestPart));

    /// <summary>Reads what is learnt from and what is tested on.</summary>
    /// <param name="train">Where the training texts are.</param>
    /// <param name="test">Where the test texts are. Null for the test part of <paramref name="train"/>, or where it has no parts, every
    /// tenth of its texts.</param>
    /// <param name="columns">Columns of tables.</param>
    /// <param name="seed">Decides which texts are every tenth.</param>
    /// <exception cref="DfpoException">As <see cref="Read"/>; <c>corpus/labels</c> also where the classes differ.</exception>
    public static (LabeledCorpus Train, LabeledCorpus Test) ReadBoth(string train, string? test, LabeledColumns columns, ulong seed)
    {
        Row[] rows = [.. Rows(train, columns)];
        var learnt = Of(train, rows.Where(row => row.Part != TestPart));
        if (test is null && rows.All(row => row.Part != TestPart))
            return Part(learnt, seed);
        var tested = test is null
            ? Of(train, rows.Where(row => row.Part == TestPart))
            : Of(test, Rows(test, columns).Where(row => row.Part != TrainPart));
        return learnt.Labels.SequenceEqual(tested.Labels)
            ? (learnt, tested)
            : throw new DfpoException("corpus/labels", $"'{train}' and '{test ?? train}' do not have the same classes.");
    }

    private static (LabeledCorpus, LabeledCorpus) Part(LabeledCorpus corpus, ulong seed)
    {
        var order = CounterRandom.Permutation(corpus.Texts.Count, seed);
        LabeledCorpus Take(IEnumerable<int> indices) => corpus with { Texts = [.. indices.Select(index => corpus.Texts[index])] };
        var held = corpus.Texts.Count / TestEvery;
        return (Take(order.Skip(held)), Take(order.Take(held)));
    }

    private static LabeledCorpus Of(string path, IEnumerable<Row> rows)
    {
        (string Label, string Text)[] texts = [.. rows.Select(row => (row.Label, TextCorpus.Clean(row.Text)))];
        string[] labels = [.. texts.Select(text => text.Label).Distinct().Order(StringComparer.Ordinal)];
        return labels.Length >= 2
            ? new LabeledCorpus(
                labels,
                [
                    .. texts
                        .Where(text => text.Text.Length > 0)
                        .Select(text => new LabeledText(text.Text, Array.BinarySearch(labels, text.Label, StringComparer.Ordinal))),
                ]
            )
            : throw new DfpoException("corpus/labels", $"'{path}' has {labels.Length} class(es): a classifier needs at least two.");
    }

    private static IEnumerable<Row> Rows(string path, LabeledColumns columns) =>
        Directory.Exists(path) ? FolderRows(path)
        : !File.Exists(path)
            ? throw new DfpoException(
                "corpus/missing",
                $"Labelled text '{path}' does not exist: give a folder or an archive with a sub-folder of .txt files a class, or a table with a text and a label."
            )
        : TarArchive.IsArchive(path) ? ArchiveRows(path)
        : TableRows(path, columns);

    private static IEnumerable<Row> FolderRows(string path)
    {
        var root = new[] { path, Path.Combine(path, "aclImdb") }.FirstOrDefault(folder =>
            Directory.Exists(Path.Combine(folder, TrainPart)) && Directory.Exists(Path.Combine(folder, TestPart))
        );
        return root is null
            ? ClassRows("", path)
            : new[] { TrainPart, TestPart }.SelectMany(part => ClassRows(part, Path.Combine(root, part)));
    }

    private static IEnumerable<Row> ClassRows(string part, string path) =>
        Directory
            .GetDirectories(path)
            .Select(folder => Path.GetFileName(folder))
            .Where(name => name != Unlabelled && !name.StartsWith('.'))
            .Order(StringComparer.Ordinal)
            .SelectMany(label => TextCorpus.ReadFolder(Path.Combine(path, label)).Select(text => new Row(part, label, text)));

    // An archive lists its files in any order: the texts come in the order that an unpacked folder has.
    private static IEnumerable<Row> ArchiveRows(string path) =>
        TarArchive
            .Read(path)
            .Select(file => (file.Name, Parts: file.Name.Split('/'), file.Content))
            .Where(file =>
                file.Parts.Length >= 2
                && file.Parts[^2] != Unlabelled
                && file.Name.EndsWith(".txt", StringComparison.Ordinal)
                && !file.Parts.Any(name => name.StartsWith('.') && name != ".")
            )
            .Select(file =>
                (
                    file.Name,
                    Row: new Row(
                        file.Parts.Length >= 3 && file.Parts[^3] is TrainPart or TestPart ? file.Parts[^3] : "",
                        file.Parts[^2],
                        Decoded(Table.OpenText(file.Content).ReadToEnd(), path, file.Name)
                    )
                )
            )
            // Files beside the folders of the classes, such as a readme, are none of the texts.
            .GroupBy(file => file.Row.Part.Length > 0)
            .OrderByDescending(group => group.Key)
            .Take(1)
            .SelectMany(group => group)
            .OrderBy(file => file.Name, StringComparer.Ordinal)
            .Select(file => file.Row);

    private static IEnumerable<Row> TableRows(string path, LabeledColumns columns)
    {
        var rows = Table
            .Read(path, new MalformedRows(0))
            .Select(row => new Row("", Text: row.Text(columns.Text), Label: row.Text(columns.Label)));
        using var each = rows.GetEnumerator();
        while (Next(each))
            yield return each.Current;
    }

    private static bool Next(IEnumerator<Row> rows)
    {
        try
        {
            return rows.MoveNext();
        }
        catch (DfpoException e) when (e.Code == "dataset/malformed")
        {
            throw new DfpoException("corpus/malformed", e.Message, e);
        }
    }

    private static string Decoded(string text, string path, string name) =>
        Table.IsDecoded(text)
            ? text
            : throw new DfpoException("corpus/malformed", $"'{path}', file '{name}': not valid UTF-8; convert the file to UTF-8.");

    private sealed record Row(string Part, string Label, string Text);
}
