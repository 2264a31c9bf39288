using System.Text.Json;
using System.Text.Json.Nodes;

namespace DfPO.Models;

/// <summary>Typed reads from a <c>config.json</c>, each with an error that names file and field.</summary>
/// <param name="json">The file's object.</param>
/// <param name="path">The file.</param>
public sealed class HfConfigReader(JsonObject json, string path)
{
    /// <summary>Reads a JSON object from a file.</summary>
    /// <exception cref="DfpoException"><c>config/missing</c> or <c>config/corrupt</c>.</exception>
    public static JsonObject ReadFile(string path)
    {
        if (!File.Exists(path))
            throw new DfpoException("config/missing", $"'{path}' does not exist: a checkpoint folder needs a config.json.");
        try
        {
            return JsonNode.Parse(File.ReadAllBytes(path), documentOptions: new JsonDocumentOptions { AllowDuplicateProperties = false }) as JsonObject
                ?? throw new DfpoException("config/corrupt", $"'{path}' is not a JSON object.");
        }
        catch (JsonException e)
        {
            throw new DfpoException("config/corrupt", $"'{path}' is not valid JSON ({e.Message}).", e);
        }
    }

    /// <summary>A whole number of at least 1.</summary>
    public int Positive(string field) => OptionalInt(field) is { } value and > 0
        ? value
        : throw Wrong(field, "a whole number of at least 1");

    /// <summary>A whole number of at least 1, or null when absent or null.</summary>
    public int? OptionalPositive(string field) => json[field] is null ? null : Positive(field);

    /// <summary>A whole number, or null when absent or null.</summary>
    public int? OptionalInt(string field) => Value<int>(field, "a whole number");

    /// <summary>A whole number, or the first of an array of them; null when absent or null.</summary>
    public int? FirstInt(string field) => json[field] is JsonArray { Count: > 0 } all
        ? all[0] is JsonValue value && value.TryGetValue<int>(out var first) ? first : throw Wrong(field, "a whole number or an array of them")
        : OptionalInt(field);

    /// <summary>A number.</summary>
    public double Number(string field, double fallback) => OptionalNumber(field) ?? fallback;

    /// <summary>A number, or null when absent or null.</summary>
    public double? OptionalNumber(string field) => Value<double>(field, "a number");

    /// <summary>The fields of an object within; null when absent or null.</summary>
    public HfConfigReader? Section(string field) => json[field] switch
    {
        null => null,
        JsonObject section => new HfConfigReader(section, path),
        _ => throw Wrong(field, "an object"),
    };

    /// <summary>A truth value.</summary>
    public bool Flag(string field, bool fallback) => Value<bool>(field, "true or false") ?? fallback;

    /// <summary>A string.</summary>
    public string Text(string field, string fallback)
    {
        if (json[field] is null)
            return fallback;
        return json[field] is JsonValue value && value.TryGetValue<string>(out var text) ? text : throw Wrong(field, "a string");
    }

    /// <summary>Class names from <c>id2label</c>, whose keys must be 0, 1, ...; empty when absent.</summary>
    public IReadOnlyList<string> Labels()
    {
        if (json["id2label"] is null)
            return [];
        if (json["id2label"] is not JsonObject map)
            throw Wrong("id2label", "an object");
        return [.. Enumerable.Range(0, map.Count).Select(id => map[id.ToString()]?.ToString() ?? throw Wrong("id2label", $"an object with keys 0 to {map.Count - 1}"))];
    }

    private T? Value<T>(string field, string expected) where T : struct
    {
        if (json[field] is null)
            return null;
        return json[field] is JsonValue value && value.TryGetValue<T>(out var typed) ? typed : throw Wrong(field, expected);
    }

    private DfpoException Wrong(string field, string expected) =>
        new("config/field", $"'{path}': field '{field}' is {(json.ContainsKey(field) ? $"'{json[field]}'" : "absent")} but must be {expected}.");
}
