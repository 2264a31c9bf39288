using System.Text.Json;
using System.Text.Json.Nodes;
using DfPO.Models;

namespace DfPO.Tasks.Tables;

/// <summary>A row of a table whatever its file format, which knows where it stands.</summary>
/// <param name="file">The table's file.</param>
/// <param name="line">Line (text formats) or row (parquet), from 1.</param>
/// <param name="isFirst">Whether it is the first row: a column that is absent there is a wrong column and not a malformed row.</param>
/// <param name="values">Values by column: text, number, bool, null, a list of values, or values by name.</param>
public sealed class DataRow(string file, int line, bool isFirst, IReadOnlyDictionary<string, object?> values)
{
    /// <summary>File and line, for messages.</summary>
    public string Place => $"'{file}', line {line}";

    /// <summary>Line (text formats) or row (parquet), from 1.</summary>
    public int Line => line;

    /// <summary>Whether there is such a column.</summary>
    public bool Has(string column) => Find(column).Found;

    /// <summary>A text that is not blank.</summary>
    /// <param name="column">Name of the column; with dots, of a value inside it (<c>prompt.text</c>).</param>
    /// <exception cref="DfpoException"><c>dataset/columns</c> or <c>dataset/malformed</c>.</exception>
    public string Text(string column) =>
        Value(column) switch
        {
            string text when !Table.IsDecoded(text) => throw NotDecoded(column),
            string text when !string.IsNullOrWhiteSpace(text) => text,
            string or null => throw Malformed($"'{column}' is empty."),
            IConvertible value => value.ToString(System.Globalization.CultureInfo.InvariantCulture),
            _ => throw Malformed($"'{column}' is not text."),
        };

    /// <summary>A number, or null where the row has none.</summary>
    /// <param name="column">As for <see cref="Text"/>.</param>
    /// <exception cref="DfpoException"><c>dataset/columns</c> or <c>dataset/malformed</c>.</exception>
    public double? Number(string column) =>
        Value(column) switch
        {
            null or "" => null,
            string text => double.TryParse(text, System.Globalization.CultureInfo.InvariantCulture, out var number)
                ? number
                : throw Malformed($"'{column}' is '{text}' and no number."),
            bool or DateTime => throw Malformed($"'{column}' is no number."),
            IConvertible number => number.ToDouble(System.Globalization.CultureInfo.InvariantCulture),
            _ => throw Malformed($"'{column}' is no number."),
        };

    /// <summary>Texts of a list, blank ones left out; a single text is a list of one, null an empty one.</summary>
    /// <param name="column">As for <see cref="Text"/>.</param>
    /// <exception cref="DfpoException"><c>dataset/columns</c> or <c>dataset/malformed</c>.</exception>
    public string[] Texts(string column) =>
        Value(column) switch
        {
            null => [],
            string text when !Table.IsDecoded(text) => throw NotDecoded(column),
            string text => string.IsNullOrWhiteSpace(text) ? [] : [text],
            IEnumerable<object?> items when items.Any(item => item is string text && !Table.IsDecoded(text)) => throw NotDecoded(column),
            IEnumerable<object?> items =>
            [
                .. items
                    .Select(item => item as string ?? throw Malformed($"'{column}' holds something else than text."))
                    .Where(text => !string.IsNullOrWhiteSpace(text)),
            ],
            _ => throw Malformed($"'{column}' is neither text nor a list of texts."),
        };

    /// <summary>Whether a column holds a text, in place of a list, a number or nothing.</summary>
    public bool IsText(string column) => Value(column) is string;

    /// <summary>A value of lists and values by name as JSON; a text is JSON already.</summary>
    /// <param name="column">As for <see cref="Text"/>.</param>
    /// <exception cref="DfpoException"><c>dataset/columns</c> or <c>dataset/malformed</c>.</exception>
    public string Json(string column) => Value(column) is string text ? text : Node(Value(column))?.ToJsonString() ?? "null";

    private static JsonNode? Node(object? value) =>
        value switch
        {
            null => null,
            string text => JsonValue.Create(text),
            IReadOnlyDictionary<string, object?> inner => new JsonObject(
                inner.Select(pair => KeyValuePair.Create(pair.Key, Node(pair.Value)))
            ),
            IEnumerable<object?> items => new JsonArray([.. items.Select(Node)]),
            _ => JsonNode.Parse(JsonSerializer.Serialize(value)),
        };

    internal DfpoException Malformed(string reason) => new("dataset/malformed", $"{Place}: {reason}");

    private DfpoException NotDecoded(string column) => Malformed($"'{column}' is not valid UTF-8; convert it to UTF-8.");

    private object? Value(string column) =>
        Find(column) switch
        {
            { Found: true, Value: UnreadableColumn unreadable } => throw new DfpoException(
                "dataset/format",
                $"'{file}': column '{column}' cannot be read as parquet: {unreadable.Reason}. Write it in another encoding, or ask for another column."
            ),
            { Found: true, Value: var value } => value,
            _ when isFirst => throw new DfpoException(
                "dataset/columns",
                $"'{file}' has no column '{column}'; it has '{string.Join("', '", values.Keys)}'."
            ),
            _ => throw Malformed($"'{column}' is absent."),
        };

    private (bool Found, object? Value) Find(string column)
    {
        if (values.TryGetValue(column, out var value))
            return (true, value);
        object? current = values;
        foreach (var name in column.Split('.'))
        {
            if (current is not IReadOnlyDictionary<string, object?> inner || !inner.TryGetValue(name, out current))
                return (false, null);
        }
        return (true, current);
    }
}
