using DfPO.Models;

namespace DfPO.Tasks.Tables;

/// <summary>Lines of text that must be UTF-8 (or what a byte order mark says, which is no part of the text).</summary>
public static class Utf8Lines
{
    /// <summary>Lines of a file, lazily.</summary>
    /// <param name="path">The file.</param>
    /// <param name="code">Code of the error.</param>
    /// <exception cref="DfpoException">A line is not UTF-8, with file and line.</exception>
    public static IEnumerable<string> Read(string path, string code) => Checked(Table.OpenText(path), $"'{path}'", code);

    /// <summary>Lines of a stream, lazily.</summary>
    /// <param name="stream">The bytes; closed at the end.</param>
    /// <param name="name">What it is called in the error.</param>
    /// <param name="code">Code of the error.</param>
    /// <exception cref="DfpoException">A line is not UTF-8, with name and line.</exception>
    public static IEnumerable<string> Read(Stream stream, string name, string code) => Checked(Table.OpenText(stream), name, code);

    private static IEnumerable<string> Checked(StreamReader reader, string name, string code)
    {
        using (reader)
            for (var line = 1; reader.ReadLine() is { } text; line++)
                yield return Table.IsDecoded(text)
                    ? text
                    : throw new DfpoException(code, $"{name}, line {line}: not valid UTF-8; convert the text to UTF-8.");
    }
}
