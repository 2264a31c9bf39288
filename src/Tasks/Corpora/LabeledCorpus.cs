using DfPO.Models;

namespace DfPO.Tasks.Corpora;

/// <summary>A text and the index of its class.</summary>
public sealed record LabeledText(string Text, int Label);

/// <summary>Labelled documents: a folder with one sub-folder a class (IMDB's layout) or a .jsonl file with fields text and label.</summary>
/// <param name="Labels">Class names in ordinal order.</param>
/// <param name="Texts">The documents.</param>
public sealed record LabeledCorpus(IReadOnlyList<string> Labels, IReadOnlyList<LabeledText> Texts)
{
    /// <summary>Reads a corpus. Folders named <c>unsup</c> are IMDB's unlabelled part; they and hidden ones are left out.</summary>
    /// <exception cref="DfpoException"><c>corpus/missing</c>, <c>corpus/malformed</c> or <c>corpus/labels</c>.</exception>
    public static LabeledCorpus Read(string path)
    {
        if (Directory.Exists(path))
        {
            string[] labels =
            [
                .. Directory
                    .GetDirectories(path)
                    .Select(d => Path.GetFileName(d))
                    .Where(name => name != "unsup" && !name.StartsWith('.'))
                    .Order(StringComparer.Ordinal),
            ];
            return Checked(
                path,
                labels,
                labels.SelectMany(
                    (label, id) =>
                        TextCorpus.ReadFolder(Path.Combine(path, label)).Select(text => new LabeledText(TextCorpus.Clean(text), id))
                )
            );
        }
        if (!File.Exists(path))
            throw new DfpoException(
                "corpus/missing",
                $"Labelled text '{path}' does not exist: give a folder with a sub-folder of .txt files a class, or a .jsonl file."
            );
        var rows = TextCorpus.ReadJsonLines(path).Select(row => (Text: row.Text("text"), Label: row.Text("label"))).ToArray();
        string[] names = [.. rows.Select(row => row.Label).Distinct().Order(StringComparer.Ordinal)];
        return Checked(path, names, rows.Select(row => new LabeledText(TextCorpus.Clean(row.Text), Array.IndexOf(names, row.Label))));
    }

    private static LabeledCorpus Checked(string path, string[] labels, IEnumerable<LabeledText> texts) =>
        labels.Length >= 2
            ? new LabeledCorpus(labels, [.. texts.Where(text => text.Text.Length > 0)])
            : throw new DfpoException("corpus/labels", $"'{path}' has {labels.Length} class(es): a classifier needs at least two.");
}
