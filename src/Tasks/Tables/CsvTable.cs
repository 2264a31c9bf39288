using System.Globalization;
using CsvHelper;
using CsvHelper.Configuration;
using DfPO.Models;

namespace DfPO.Tasks.Tables;

/// <summary>
/// Comma- or tab-separated values with a header line; fields in double quotes may hold separators and line breaks (RFC 4180).
/// </summary>
internal static class CsvTable
{
    public static IEnumerable<DataRow> Read(string path, char separator, MalformedRows malformed)
    {
        string? badQuote = null;
        var configuration = new CsvConfiguration(CultureInfo.InvariantCulture)
        {
            Delimiter = separator.ToString(),
            BadDataFound = bad => badQuote = bad.Field,
        };
        using var reader = Table.OpenText(path);
        using var parser = new CsvParser(reader, configuration);
        if (!parser.Read())
            throw new DfpoException("dataset/empty", $"'{path}' is empty: its first line must name the columns.");
        string[] columns = parser.Record!;
        if (!columns.All(Table.IsDecoded))
            throw new DfpoException("dataset/malformed", Table.NotDecoded(path, 1));
        if (columns.Distinct().Count() != columns.Length)
            throw new DfpoException("dataset/columns", $"'{path}' names a column twice: '{string.Join("', '", columns)}'.");
        var isFirst = true;
        var line = parser.RawRow + 1;
        while (parser.Read())
        {
            var (fields, start) = (parser.Record!, line);
            // The raw row is the last line of a record that may span several.
            line = parser.RawRow + 1;
            var lines = Math.Max(1, parser.RawRecord.TrimEnd('\r', '\n').Count(character => character == '\n') + 1);
            var problem =
                !fields.All(Table.IsDecoded) ? Table.NotDecoded(path, start)
                : Unclosed(parser.RawRecord) is { } opened
                    ? $"'{path}', line {start + opened}: a double quote opens a field and never closes, which swallows the {lines} lines from {start} to the end; close it, or write it twice inside a field in quotes."
                : badQuote is not null && lines > 1
                    ? $"'{path}', line {start}: a double quote opens a field and another one stands inside it, which swallows {lines} lines; write a quote inside a field in quotes twice."
                : badQuote is not null
                    ? $"'{path}', line {start}: a double quote stands inside a field; write the field in quotes and the quote twice."
                : fields.Length != columns.Length ? $"'{path}', line {start}: {fields.Length} fields instead of {columns.Length}."
                : null;
            badQuote = null;
            if (problem is not null)
            {
                malformed.Add(problem, lines);
                continue;
            }
            yield return new DataRow(
                path,
                start,
                isFirst,
                columns.Zip(fields).ToDictionary(field => field.First, field => (object?)field.Second)
            );
            isFirst = false;
        }
    }

    /// <summary>Lines before the quote that nothing closes, in a record; null when all are closed.</summary>
    private static int? Unclosed(string record)
    {
        var (open, line, opened) = (false, 0, 0);
        foreach (var character in record)
        {
            if (character == '"')
                (open, opened) = (!open, line);
            else if (character == '\n')
                line++;
        }
        return open ? opened : null;
    }
}
