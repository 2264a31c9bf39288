using System.Collections;
using System.Text;
using DfPO.Models;
using Parquet;
using Parquet.Schema;
using Parquet.Serialization;

namespace DfPO.Tasks.Datasets;

/// <summary>Parquet files, a row group at a time; lists and structures keep their form.</summary>
internal static class ParquetTable
{
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
        {
            var rows = Guard(path, () => ParquetSerializer.DeserializeUntypedAsync(file, rowGroupIndex: group));
            foreach (var row in rows.Data)
            {
                yield return new DataRow(path, line, line == 1, Members(row, rows.Schema.Fields));
                line++;
            }
        }
    }

    // The library is asynchronous only; a file read needs no more than this thread.
    private static T Guard<T>(string path, Func<Task<T>> read)
    {
        try
        {
            return Task.Run(read).GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            throw new DfpoException("dataset/format", $"'{path}' cannot be read as parquet: {e.Message}", e);
        }
    }

    // The library leaves null values out; a column that is there has to stay.
    private static Dictionary<string, object?> Members(IDictionary<string, object> row, IReadOnlyList<Field> fields) =>
        fields.ToDictionary(field => field.Name, field => row.TryGetValue(field.Name, out var value) ? Value(value, field) : null);

    private static object? Value(object? value, Field field) => value switch
    {
        string or null => value,
        IDictionary<string, object> members when field is StructField inner => Members(members, inner.Fields),
        ReadOnlyMemory<char> text => text.ToString(),
        byte[] bytes => Encoding.UTF8.GetString(bytes),
        IEnumerable items => items.Cast<object?>().Select(item => Value(item, field is ListField list ? list.Item : field)).ToList(),
        _ => value,
    };
}
