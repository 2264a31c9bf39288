using System.Text.Json;
using System.Text.Json.Nodes;
using DfPO.Models.Checkpoints;

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
        LfsPointer.Refuse(path);
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

    /// <summary>A whole number, or the first of an array of them; null when absent, null or an empty array.</summary>
    public int? FirstInt(string field) => Ints(field) is [var first, ..] ? first : null;

    /// <summary>A whole number or an array of them; empty when absent or null.</summary>
    public IReadOnlyList<int> Ints(string field) => json[field] is JsonArray all
        ? [.. all.Select(item => item is JsonValue value && value.TryGetValue<int>(out var id) ? id : throw Wrong(field, "a whole number or an array of them"))]
        : OptionalInt(field) is { } one ? [one] : [];

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

    /// <summary>Class names from <c>id2label</c>, whose keys must be 0, 1, ...; when absent HF's names of the two, or <c>num_labels</c>, classes of a classifier, and none for other models.</summary>
    public IReadOnlyList<string> Labels()
    {
        if (json["id2label"] is null)
            return IsClassifier ? [.. Enumerable.Range(0, OptionalPositive("num_labels") ?? 2).Select(id => $"LABEL_{id}")] : [];
        if (json["id2label"] is not JsonObject map)
            throw Wrong("id2label", "an object");
        return [.. Enumerable.Range(0, map.Count).Select(id => map[id.ToString()]?.ToString() ?? throw Wrong("id2label", $"an object with keys 0 to {map.Count - 1}"))];
    }

    private bool IsClassifier => json["architectures"] is JsonArray { Count: > 0 } names && names[0]?.ToString().EndsWith("ForSequenceClassification", StringComparison.Ordinal) == true;

    private T? Value<T>(string field, string expected) where T : struct
    {
        if (json[field] is null)
            return null;
        return json[field] is JsonValue value && value.TryGetValue<T>(out var typed) ? typed : throw Wrong(field, expected);
    }

    private DfpoException Wrong(string field, string expected) =>
        new("config/field", $"'{path}': field '{field}' is {(json.ContainsKey(field) ? $"'{json[field]}'" : "absent")} but must be {expected}.");
}
