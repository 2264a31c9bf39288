using System.Text.Json;
using DfPO.Models;
using DfPO.Tasks.Tables;

namespace DfPO.Tasks.Corpora;

/// <summary>
/// Documents for language-model training: a folder of .txt files, a .txt file with one document a line, or a .jsonl file.
/// </summary>
public static class TextCorpus
{
    /// <summary>Reads documents, lazily, in a fixed order; IMDB's line-break tags become spaces; empty documents are left out.</summary>
    /// <param name="path">Folder (read recursively, in ordinal order of the paths; hidden files and folders are left out), .txt or .jsonl
    /// file.</param>
    /// <param name="field">Field of a .jsonl row that holds the text.</param>
    /// <exception cref="DfpoException"><c>corpus/missing</c> or <c>corpus/malformed</c>, the latter with file and line.</exception>
    public static IEnumerable<string> Read(string path, string field = "text")
    {
        var documents =
            Directory.Exists(path) ? ReadFolder(path)
            : !File.Exists(path)
                ? throw new DfpoException(
                    "corpus/missing",
                    $"Text '{path}' does not exist: give a folder of .txt files, a .txt file or a .jsonl file."
                )
            : path.EndsWith(".jsonl", StringComparison.OrdinalIgnoreCase) ? ReadJsonLines(path).Select(row => row.Text(field))
            : Utf8Lines.Read(path, "corpus/malformed");
        return documents.Select(Clean).Where(document => document.Length > 0);
    }

    /// <summary>The text without IMDB's line-break tags and with single spaces.</summary>
    public static string Clean(string text) =>
        string.Join(' ', text.Replace("<br />", " ").Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));

    internal static IEnumerable<string> ReadFolder(string path)
    {
        string[] files = [.. Directory.GetFiles(path, "*.txt", SearchOption.AllDirectories).Where(file => !Table.IsHidden(path, file))];
        if (files.Length == 0)
            throw new DfpoException("corpus/missing", $"Folder '{path}' holds no .txt file.");
        Array.Sort(files, StringComparer.Ordinal);
        return files.Select(ReadText);
    }

    private static string ReadText(string path)
    {
        using var reader = Table.OpenText(path);
        var text = reader.ReadToEnd();
        return Table.IsDecoded(text)
            ? text
            : throw new DfpoException("corpus/malformed", $"'{path}': not valid UTF-8; convert the file to UTF-8.");
    }

    internal static IEnumerable<JsonRow> ReadJsonLines(string path) =>
        Utf8Lines
            .Read(path, "corpus/malformed")
            .Select((line, index) => (line, index))
            .Where(l => !string.IsNullOrWhiteSpace(l.line))
            .Select(l => new JsonRow(path, l.index + 1, l.line));

    /// <summary>A row of a JSON-lines file that knows where it stands.</summary>
    internal sealed class JsonRow
    {
        private readonly string _place;
        private readonly JsonElement _row;

        public JsonRow(string path, int line, string json)
        {
            _place = $"'{path}', line {line}";
            try
            {
                _row = JsonDocument.Parse(json).RootElement;
            }
            catch (JsonException e)
            {
                throw new DfpoException("corpus/malformed", $"{_place}: not valid JSON ({e.Message}).", e);
            }
            if (_row.ValueKind != JsonValueKind.Object)
                throw new DfpoException("corpus/malformed", $"{_place}: each line must be a JSON object.");
        }

        public string Text(string field) =>
            _row.TryGetProperty(field, out var value) && value.ValueKind is JsonValueKind.String or JsonValueKind.Number
                ? value.ToString()
                : throw new DfpoException("corpus/malformed", $"{_place}: field '{field}' is absent or not text.");
    }
}
