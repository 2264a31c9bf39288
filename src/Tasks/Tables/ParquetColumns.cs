using Parquet;
using Parquet.Schema;

namespace DfPO.Tasks.Tables;

/// <summary>A parquet row group column by column, for files that have a column which cannot be read.</summary>
internal static class ParquetColumns
{
    /// <summary>Rows; a column that cannot be read has an <see cref="UnreadableColumn"/> in each.</summary>
    /// <param name="file">The file.</param>
    /// <param name="group">Number of the row group.</param>
    /// <param name="cause">Why the group could not be read as a whole.</param>
    public static async Task<IReadOnlyList<Dictionary<string, object?>>> Read(Stream file, int group, Exception cause)
    {
        file.Position = 0;
        await using var reader = await ParquetReader.CreateAsync(file, leaveStreamOpen: true);
        using var rows = reader.OpenRowGroupReader(group);
        var members = Enumerable.Range(0, checked((int)rows.RowCount)).Select(_ => new Dictionary<string, object?>()).ToArray();
        var readable = 0;
        foreach (var field in reader.Schema.Fields)
        {
            object?[] column;
            try
            {
                column =
                    field is DataField data && data.MaxRepetitionLevel == 0
                        ? await Column(rows, data, members.Length)
                        : throw new NotSupportedException("a nested column of a file with a column that cannot be read");
                readable++;
            }
            catch (Exception e) when (e is not (OutOfMemoryException or IOException))
            {
                column = [.. Enumerable.Repeat<object?>(new UnreadableColumn(e.Message), members.Length)];
            }
            foreach (var (row, value) in members.Zip(column))
                row.Add(field.Name, value);
        }
        return readable > 0 ? members : throw new InvalidDataException(cause.Message, cause);
    }

    private static async Task<object?[]> Column(ParquetRowGroupReader rows, DataField field, int count)
    {
        if (field.ClrType == typeof(string) || field.ClrType == typeof(ReadOnlyMemory<char>))
        {
            var texts = new string?[count];
            await rows.ReadAsync(field, texts.AsMemory()!);
            return [.. texts.Select(text => text is null ? null : ParquetTable.Marked(text))];
        }
        if (field.ClrType == typeof(byte[]) || field.ClrType == typeof(ReadOnlyMemory<byte>))
        {
            var bytes = new byte[]?[count];
            await rows.ReadAsync(field, bytes.AsMemory()!);
            return [.. bytes.Select(value => value is null ? null : ParquetTable.Decode(value))];
        }
        return field.ClrType == typeof(int) ? await Numbers<int>(rows, field, count)
            : field.ClrType == typeof(long) ? await Numbers<long>(rows, field, count)
            : field.ClrType == typeof(float) ? await Numbers<float>(rows, field, count)
            : field.ClrType == typeof(double) ? await Numbers<double>(rows, field, count)
            : field.ClrType == typeof(bool) ? await Numbers<bool>(rows, field, count)
            : throw new NotSupportedException($"a column of type {field.ClrType.Name} in a file with a column that cannot be read");
    }

    private static async Task<object?[]> Numbers<T>(ParquetRowGroupReader rows, DataField field, int count)
        where T : struct
    {
        if (field.IsNullable)
        {
            var some = new T?[count];
            await rows.ReadAsync(field, some.AsMemory());
            return [.. some.Select(value => (object?)value)];
        }
        var all = new T[count];
        await rows.ReadAsync(field, all.AsMemory());
        return [.. all.Select(value => (object?)value)];
    }
}

/// <summary>Stands for the values of a column that cannot be read.</summary>
/// <param name="Reason">Why.</param>
internal sealed record UnreadableColumn(string Reason);
