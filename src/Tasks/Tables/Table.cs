using System.Text;
using DfPO.Models;
using DfPO.Models.Checkpoints;

namespace DfPO.Tasks.Tables;

/// <summary>Tables with named columns, streamed row by row: .jsonl, .csv, .tsv, each also with .gz behind it, and .parquet.</summary>
public static class Table
{
    // A code point that no text holds (a noncharacter) stands for bytes that are not UTF-8.
    private const char Undecodable = '\uFFFF';

    /// <summary>Stands for a text that is none.</summary>
    internal const string NoText = "\uFFFF";

    private static readonly string[] s_endings = [".jsonl", ".csv", ".tsv", ".parquet"];

    /// <summary>Whether a file's name is that of a table that can be read here.</summary>
    public static bool IsTable(string path) => s_endings.Contains(Ending(path));

    /// <summary>The rows in the file's order. Rows that cannot be read are noted and passed over.</summary>
    /// <exception cref="DfpoException"><c>dataset/missing</c>, <c>dataset/format</c>, or <c>dataset/malformed</c> when the limit is
    /// passed.</exception>
    public static IEnumerable<DataRow> Read(string path, MalformedRows malformed)
    {
        if (!File.Exists(path))
            throw new DfpoException("dataset/missing", $"Table '{path}' does not exist.");
        LfsPointer.Refuse(path);
        return Ending(path) switch
        {
            ".jsonl" => JsonLinesTable.Read(path, malformed),
            ".csv" => CsvTable.Read(path, ',', malformed),
            ".tsv" => CsvTable.Read(path, '\t', malformed),
            ".parquet" => ParquetTable.Read(path),
            _ => throw new DfpoException(
                "dataset/format",
                $"'{path}' is not a table that can be read here: give {string.Join(", ", s_endings)} (text formats also as .gz)."
            ),
        };
    }

    /// <summary>
    /// A text file, UTF-8 unless a byte order mark says otherwise; whether bytes were undecodable is asked with <see cref="IsDecoded"/>.
    /// </summary>
    internal static StreamReader OpenText(string path)
    {
        LfsPointer.Refuse(path);
        var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16, FileOptions.SequentialScan);
        return OpenText(path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase) ? Unpacked.Gzip(file) : file);
    }

    /// <inheritdoc cref="OpenText(string)"/>
    internal static StreamReader OpenText(Stream stream) =>
        new(
            stream,
            Encoding.GetEncoding("utf-8", EncoderFallback.ExceptionFallback, new DecoderReplacementFallback(Undecodable.ToString())),
            detectEncodingFromByteOrderMarks: true
        );

    internal static bool IsDecoded(string text) => !text.Contains(Undecodable);

    internal static string NotDecoded(string path, int line) => $"'{path}', line {line}: not valid UTF-8; convert the file to UTF-8.";

    internal static IEnumerable<(int Line, string Text)> Lines(string path)
    {
        using var reader = OpenText(path);
        for (var line = 1; reader.ReadLine() is { } text; line++)
            yield return (line, text);
    }

    /// <summary>
    /// Whether a file or folder below a root is hidden (its own name or a folder's begins with a dot), as those of editors and file systems
    /// are: <c>.ipynb_checkpoints</c>, <c>._a.txt</c>.
    /// </summary>
    internal static bool IsHidden(string root, string path) =>
        Path.GetRelativePath(root, path).Split(Path.DirectorySeparatorChar, '/').Any(name => name.StartsWith('.'));

    private static string Ending(string path)
    {
        var ending = Path.GetExtension(path).ToLowerInvariant();
        return ending == ".gz"
            ? Path.GetExtension(path[..^3]).ToLowerInvariant() is var inner && inner != ".parquet"
                ? inner
                : ending
            : ending;
    }
}
