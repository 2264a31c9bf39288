using System.Text.Json;

namespace DfPO.Tasks.Tables;

/// <summary>JSON lines: an object a line; blank lines are passed over.</summary>
internal static class JsonLinesTable
{
    public static IEnumerable<DataRow> Read(string path, MalformedRows malformed)
    {
        var isFirst = true;
        foreach (var (line, text) in Table.Lines(path))
        {
            if (string.IsNullOrWhiteSpace(text))
                continue;
            var (values, problem) = Parse(path, line, text);
            if (values is null)
            {
                malformed.Add(problem);
                continue;
            }
            yield return new DataRow(path, line, isFirst, values);
            isFirst = false;
        }
    }

    private static (IReadOnlyDictionary<string, object?>? Values, string Problem) Parse(string path, int line, string text)
    {
        if (!Table.IsDecoded(text))
            return (null, Table.NotDecoded(path, line));
        try
        {
            using var row = JsonDocument.Parse(text);
            return row.RootElement.ValueKind == JsonValueKind.Object
                ? (Members(row.RootElement), "")
                : (null, $"'{path}', line {line}: not a JSON object.");
        }
        catch (JsonException e)
        {
            return (null, $"'{path}', line {line}: not valid JSON ({e.Message})");
        }
        catch (InvalidOperationException)
        {
            // Half of a surrogate pair: valid JSON by its grammar, but no text.
            return (null, $"'{path}', line {line}: holds text that is not valid Unicode.");
        }
    }

    private static Dictionary<string, object?> Members(JsonElement element)
    {
        var members = new Dictionary<string, object?>();
        foreach (var member in element.EnumerateObject())
            members[member.Name] = Value(member.Value);
        return members;
    }

    private static object? Value(JsonElement element) =>
        element.ValueKind switch
        {
            JsonValueKind.String => element.GetString(),
            JsonValueKind.Number => Number(element),
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            JsonValueKind.Array => element.EnumerateArray().Select(Value).ToList(),
            JsonValueKind.Object => Members(element),
            _ => null,
        };

    /// <summary>Integers keep all their digits, as ids have more than float64 can tell apart.</summary>
    private static object Number(JsonElement element)
    {
        var digits = element.GetRawText();
        if (digits.AsSpan().IndexOfAny(".eE") >= 0)
            return element.GetDouble();
        return element.TryGetInt64(out var whole) ? whole : digits;
    }
}
