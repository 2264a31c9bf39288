using System.Text.Json;

namespace DfPO.Models.Tokenizers;

/// <summary>A field of a JSON file that may be absent, with its path for errors.</summary>
/// <param name="File">The file.</param>
/// <param name="Name">Path of the field, such as <c>model.vocab</c>; empty for the whole.</param>
/// <param name="Value">What stands there.</param>
internal readonly record struct JsonField(string File, string Name, JsonElement Value)
{
    public bool IsAbsent => Value.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null;

    /// <summary>The field <c>type</c> of an object.</summary>
    public string Kind => this["type"].Text();

    public JsonField this[string name] => new(File, Name.Length == 0 ? name : $"{Name}.{name}", Value.ValueKind == JsonValueKind.Object && Value.TryGetProperty(name, out var field) ? field : default);

    /// <summary>A string; empty when absent.</summary>
    public string Text() => IsAbsent ? "" : Value.ValueKind == JsonValueKind.String ? Value.GetString()! : throw Refused("a string");

    public bool Flag(bool fallback) => IsAbsent ? fallback : Value.ValueKind is JsonValueKind.True or JsonValueKind.False ? Value.GetBoolean() : throw Refused("true or false");

    public int Integer() => Value.ValueKind == JsonValueKind.Number && Value.TryGetInt32(out var number) ? number : throw Refused("a whole number");

    public float Number() => Value.ValueKind == JsonValueKind.Number && Value.TryGetSingle(out var number) ? number : throw Refused("a number");

    /// <summary>The items of an array; none when absent.</summary>
    public IReadOnlyList<JsonField> Items()
    {
        if (IsAbsent)
            return [];
        var field = this;
        return Value.ValueKind == JsonValueKind.Array
            ? [.. Value.EnumerateArray().Select((item, index) => new JsonField(field.File, $"{field.Name}[{index}]", item))]
            : throw Refused("an array");
    }

    /// <summary>The values of an object by name.</summary>
    public IEnumerable<(string Name, JsonField Field)> Fields()
    {
        var field = this;
        return Value.ValueKind == JsonValueKind.Object
            ? Value.EnumerateObject().Select(property => (property.Name, new JsonField(field.File, $"{field.Name}.{property.Name}", property.Value)))
            : throw Refused("an object");
    }

    /// <summary>The steps of a field that holds one, a <c>Sequence</c> of them, or none.</summary>
    /// <param name="within">Name of a sequence's array.</param>
    public IReadOnlyList<JsonField> Steps(string within) =>
        IsAbsent ? [] : Kind == "Sequence" ? [.. this[within].Items().SelectMany(step => step.Steps(within))] : [this];

    /// <summary>Refuses the file unless the field has a value that is known.</summary>
    public void Require(bool known, string expected)
    {
        if (!known)
            throw Refused(expected);
    }

    public DfpoException Refused(string expected)
    {
        var value = IsAbsent ? "absent" : $"'{Value.GetRawText()}'";
        return new("tokenizer/unsupported", $"'{File}': field '{Name}' is {(value.Length > 120 ? value[..119] + "...'" : value)} but must be {expected}. The tokenizer's other files, where its checkpoint has them, are read instead of this one.");
    }
}
