using System.Collections;
using System.Text;
using DfPO.Models;
using Parquet;
using Parquet.Schema;
using Parquet.Serialization;

namespace DfPO.Tasks.Tables;

/// <summary>Parquet files, a row group at a time; lists and structures keep their form.</summary>
internal static class ParquetTable
{
    private static readonly UTF8Encoding s_strict = new(false, throwOnInvalidBytes: true);

    public static IEnumerable<DataRow> Read(string path)
    {
        using var file = File.OpenRead(path);
        var groups = Guard(path, async () =>
        {
            await using var reader = await ParquetReader.CreateAsync(file, leaveStreamOpen: true);
            return reader.RowGroupCount;
        });
        var line = 1;
        for (var group = 0; group < groups; group++)
            foreach (var members in Guard(path, () => Group(file, group)))
            {
                yield return new DataRow(path, line, line == 1, members);
                line++;
            }
    }

    private static async Task<IReadOnlyList<Dictionary<string, object?>>> Group(Stream file, int group)
    {
        try
        {
            var rows = await ParquetSerializer.DeserializeUntypedAsync(file, rowGroupIndex: group);
            return [.. rows.Data.Select(row => Members(row, rows.Schema.Fields))];
        }
        catch (Exception e) when (e is not (OutOfMemoryException or IOException))
        {
            // One column that the library cannot read must not keep the others from being read.
            return await ParquetColumns.Read(file, group, e);
        }
    }

    /// <summary>Longest wait for the library: it does not come to an end with every damaged file.</summary>
    internal static TimeSpan Patience(long bytes) => TimeSpan.FromSeconds(60 + (bytes >> 20));

    // The library is asynchronous only; a file read needs no more than this thread.
    private static T Guard<T>(string path, Func<Task<T>> read)
    {
        try
        {
            var patience = Patience(new FileInfo(path).Length);
            var reading = Task.Run(read);
            return reading.Wait(patience)
                ? reading.GetAwaiter().GetResult()
                : throw new DfpoException(
                    "dataset/format",
                    $"'{path}' cannot be read as parquet: its reading did not come to an end in {patience.TotalSeconds:F0} s. It is damaged, or made to be; write it anew."
                );
        }
        catch (AggregateException e)
        {
            throw new DfpoException("dataset/format", $"'{path}' cannot be read as parquet: {e.InnerException!.Message}", e);
        }
        catch (Exception e) when (e is not (OutOfMemoryException or DfpoException))
        {
            throw new DfpoException("dataset/format", $"'{path}' cannot be read as parquet: {e.Message}", e);
        }
    }

    // The library leaves null values out; a column that is there has to stay.
    private static Dictionary<string, object?> Members(IDictionary<string, object> row, IReadOnlyList<Field> fields) =>
        fields.ToDictionary(field => field.Name, field => row.TryGetValue(field.Name, out var value) ? Value(value, field) : null);

    /// <summary>The text of bytes, or what stands for none.</summary>
    internal static string Decode(byte[] bytes)
    {
        try
        {
            return s_strict.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            return Table.NoText;
        }
    }

    /// <summary>The library has U+FFFD for bytes that are not UTF-8.</summary>
    internal static string Marked(string text) => text.Contains('\uFFFD') ? Table.NoText : text;

    private static object? Value(object? value, Field field) =>
        value switch
        {
            null => null,
            string text => Marked(text),
            IDictionary<string, object> members when field is StructField inner => Members(members, inner.Fields),
            ReadOnlyMemory<char> text => Marked(text.ToString()),
            byte[] bytes => Decode(bytes),
            IEnumerable items => items.Cast<object?>().Select(item => Value(item, field is ListField list ? list.Item : field)).ToList(),
            _ => value,
        };
}
