using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using DfPO.Models.Checkpoints;

namespace DfPO.Models;

/// <summary>Typed reads from a <c>config.json</c>, each with an error that names file and field.</summary>
/// <param name="json">The file's object.</param>
/// <param name="path">The file.</param>
public sealed class HfConfigReader(JsonObject json, string path)
{
    private readonly HashSet<string> _read = new(StringComparer.Ordinal);

    /// <summary>Reads a JSON object from a file.</summary>
    /// <exception cref="DfpoException"><c>config/missing</c> or <c>config/corrupt</c>.</exception>
    public static JsonObject ReadFile(string path)
    {
        if (!File.Exists(path))
            throw new DfpoException("config/missing", $"'{path}' does not exist: a checkpoint folder needs a config.json.");
        LfsPointer.Refuse(path);
        try
        {
            var options = new JsonDocumentOptions { AllowDuplicateProperties = false };
            using var document = JsonDocument.Parse(File.ReadAllBytes(path), options);
            RequireTexts(document.RootElement);
            return JsonNode.Parse(document.RootElement.GetRawText(), documentOptions: options) as JsonObject
                ?? throw new DfpoException("config/corrupt", $"'{path}' is not a JSON object.");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new DfpoException("config/corrupt", $"'{path}' is not valid JSON ({e.Message}).", e);
        }
    }

    /// <summary>The parser leaves texts as they are; those that are none would be found by whoever reads the field.</summary>
    /// <exception cref="InvalidOperationException">A text is no UTF-8, or has half a character.</exception>
    private static void RequireTexts(JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.String:
                element.GetString();
                break;
            case JsonValueKind.Array:
                foreach (var item in element.EnumerateArray())
                    RequireTexts(item);
                break;
            case JsonValueKind.Object:
                foreach (var field in element.EnumerateObject())
                {
                    _ = field.Name;
                    RequireTexts(field.Value);
                }
                break;
        }
    }

    /// <summary>A whole number of at least 1.</summary>
    public int Positive(string field) =>
        OptionalInt(field) is { } value and > 0 ? value : throw Wrong(field, "a whole number of at least 1");

    /// <summary>A whole number of at least 1, or null when absent or null.</summary>
    public int? OptionalPositive(string field) => Node(field) is null ? null : Positive(field);

    /// <summary>Whether the field is there, null or not.</summary>
    public bool Has(string field)
    {
        _read.Add(field);
        return json.ContainsKey(field);
    }

    /// <summary>A token id: the class's default when the field is absent, none when it is null; the first of a list.</summary>
    public int? TokenId(string field, int? fallback) => Has(field) ? FirstInt(field) : fallback;

    /// <summary>A whole number, or null when absent or null.</summary>
    public int? OptionalInt(string field) => Value<int>(field, "a whole number");

    /// <summary>A whole number, or the first of an array of them; null when absent, null or an empty array.</summary>
    public int? FirstInt(string field) => Ints(field) is [var first, ..] ? first : null;

    /// <summary>A whole number or an array of them; empty when absent or null.</summary>
    public IReadOnlyList<int> Ints(string field) =>
        Node(field) is JsonArray all
            ?
            [
                .. all.Select(item =>
                    item is JsonValue value && value.TryGetValue<int>(out var id)
                        ? id
                        : throw Wrong(field, "a whole number or an array of them")
                ),
            ]
        : OptionalInt(field) is { } one ? [one]
        : [];

    /// <summary>A number.</summary>
    public double Number(string field, double fallback) => OptionalNumber(field) ?? fallback;

    /// <summary>A number, or null when absent or null.</summary>
    public double? OptionalNumber(string field) => Node(field) is null ? null : AsNumber(Node(field)) ?? throw Wrong(field, "a number");

    /// <summary>The fields of an object within; null when absent or null.</summary>
    public HfConfigReader? Section(string field) =>
        Node(field) switch
        {
            null => null,
            JsonObject section => new HfConfigReader(section, path),
            _ => throw Wrong(field, "an object"),
        };

    /// <summary>A number greater than 0.</summary>
    public double PositiveNumber(string field, double? fallback = null) =>
        (OptionalNumber(field) ?? fallback) is { } value and > 0 && double.IsFinite(value)
            ? value
            : throw Wrong(field, "a number greater than 0");

    /// <summary>An array of numbers greater than 0.</summary>
    public double[] PositiveNumbers(string field) =>
        Items(
            field,
            "an array of numbers greater than 0",
            node => AsNumber(node) is { } number and > 0 ? number : (double?)null,
            number => number!.Value
        );

    /// <summary>An array of strings; null when absent or null.</summary>
    public string[]? OptionalTexts(string field) =>
        Node(field) is null
            ? null
            : Items(
                field,
                "an array of strings",
                node => node is JsonValue value && value.TryGetValue<string>(out var text) ? text : null,
                text => text!
            );

    /// <summary>A truth value.</summary>
    public bool Flag(string field, bool fallback) => Value<bool>(field, "true or false") ?? fallback;

    /// <summary>A string.</summary>
    public string Text(string field, string fallback)
    {
        if (Node(field) is null)
            return fallback;
        return Node(field) is JsonValue value && value.TryGetValue<string>(out var text) ? text : throw Wrong(field, "a string");
    }

    /// <summary>
    /// Class names from <c>id2label</c>, whose keys must be 0, 1, ...; when absent HF's names of the two, or <c>num_labels</c>, classes of
    /// a classifier, and none for other models.
    /// </summary>
    public IReadOnlyList<string> Labels()
    {
        if (Node("id2label") is null)
            return IsClassifier ? [.. Enumerable.Range(0, OptionalPositive("num_labels") ?? 2).Select(id => $"LABEL_{id}")] : [];
        if (Node("id2label") is not JsonObject map)
            throw Wrong("id2label", "an object");
        return
        [
            .. Enumerable
                .Range(0, map.Count)
                .Select(id => map[id.ToString()]?.ToString() ?? throw Wrong("id2label", $"an object with keys 0 to {map.Count - 1}")),
        ];
    }

    private bool IsClassifier =>
        Node("architectures") is JsonArray { Count: > 0 } names
        && names[0]?.ToString().EndsWith("ForSequenceClassification", StringComparison.Ordinal) == true;

    /// <summary>Refuses a file with a field that nobody has read and that is not known to change nothing.</summary>
    /// <param name="section">Named before the field, such as <c>rope_scaling.</c>.</param>
    /// <param name="harmless">Further fields that change nothing that is computed here.</param>
    /// <exception cref="DfpoException"><c>config/unknown-field</c>.</exception>
    public void RefuseUnknown(string section = "", params IEnumerable<string> harmless)
    {
        foreach (var (field, value) in json.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            // What is null says nothing.
            if (
                value is null
                || _read.Contains(field)
                || harmless.Contains(field, StringComparer.Ordinal)
                || (section.Length == 0 && HarmlessFields.Contains(field, value))
            )
                continue;
            throw new DfpoException(
                "config/unknown-field",
                $"'{path}': field '{section}{field}' with the value {Shortened(value)} may change what the model computes and is not known here: remove it if it does not."
            );
        }
    }

    /// <summary>Refuses a value.</summary>
    public DfpoException Wrong(string field, string expected) =>
        new(
            "config/field",
            $"'{path}': field '{field}' is {(json.ContainsKey(field) ? $"'{json[field]}'" : "absent")} but must be {expected}."
        );

    private static string Shortened(JsonNode value) => value.ToJsonString() is var text && text.Length <= 60 ? text : text[..57] + "...";

    // Whole numbers and others alike, whether they were read or made.
    private static double? AsNumber(JsonNode? node) =>
        node?.GetValueKind() == JsonValueKind.Number ? double.Parse(node.ToJsonString(), CultureInfo.InvariantCulture) : null;

    private JsonNode? Node(string field)
    {
        _read.Add(field);
        return json[field];
    }

    private TResult[] Items<TItem, TResult>(string field, string expected, Func<JsonNode?, TItem?> read, Func<TItem?, TResult> given) =>
        Node(field) is JsonArray array
            ? [.. array.Select(node => read(node) is { } item ? given(item) : throw Wrong(field, expected))]
            : throw Wrong(field, expected);

    private T? Value<T>(string field, string expected)
        where T : struct
    {
        if (Node(field) is null)
            return null;
        return Node(field) is JsonValue value && value.TryGetValue<T>(out var typed) ? typed : throw Wrong(field, expected);
    }
}
