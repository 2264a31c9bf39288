using System.Text;
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

    public JsonField this[string name] =>
        new(
            File,
            Name.Length == 0 ? name : $"{Name}.{name}",
            Value.ValueKind == JsonValueKind.Object && Value.TryGetProperty(name, out var field) ? field : default
        );

    /// <summary>A string; empty when absent.</summary>
    public string Text() =>
        IsAbsent ? ""
        : Value.ValueKind == JsonValueKind.String ? Value.GetString()!
        : throw Refused("a string");

    /// <summary>A string of one character.</summary>
    public Rune Character() =>
        Text() is { Length: 1 or 2 } text && Rune.TryGetRuneAt(text, 0, out var rune) && rune.Utf16SequenceLength == text.Length
            ? rune
            : throw Refused("one character");

    public bool Flag(bool fallback) =>
        IsAbsent ? fallback
        : Value.ValueKind is JsonValueKind.True or JsonValueKind.False ? Value.GetBoolean()
        : throw Refused("true or false");

    public int Integer() =>
        Value.ValueKind == JsonValueKind.Number && Value.TryGetInt32(out var number) ? number : throw Refused("a whole number");

    public double Number() =>
        Value.ValueKind == JsonValueKind.Number && Value.TryGetDouble(out var number) && double.IsFinite(number)
            ? number
            : throw Refused("a number");

    /// <summary>The items of an array; none when absent.</summary>
    public IEnumerable<JsonField> Items()
    {
        if (IsAbsent)
            return [];
        var field = this;
        return Value.ValueKind == JsonValueKind.Array
            ? Value.EnumerateArray().Select((item, index) => new JsonField(field.File, $"{field.Name}[{index}]", item))
            : throw Refused("an array");
    }

    /// <summary>The values of an object by name.</summary>
    public IEnumerable<(string Name, JsonField Field)> Fields()
    {
        var field = this;
        return Value.ValueKind == JsonValueKind.Object
            ? Value
                .EnumerateObject()
                .Select(property => (property.Name, new JsonField(field.File, $"{field.Name}.{property.Name}", property.Value)))
            : throw Refused("an object");
    }

    /// <summary>The steps of a field that holds one, a <c>Sequence</c> of them, or none.</summary>
    /// <param name="within">Name of a sequence's array.</param>
    public IEnumerable<JsonField> Steps(string within)
    {
        if (IsAbsent)
            return [];
        if (Kind != "Sequence")
            return [this];
        Only("type", within);
        return this[within].Items().SelectMany(step => step.Steps(within));
    }

    /// <summary>Refuses a field that is none of those known here.</summary>
    public void Only(params ReadOnlySpan<string> known)
    {
        if (Value.ValueKind != JsonValueKind.Object)
            throw Refused("an object");
        foreach (var property in Value.EnumerateObject())
            if (!known.Contains(property.Name))
                throw this[property.Name].Refused("left out: it is not known here");
    }

    /// <summary>Refuses the file unless the field has a value that is known.</summary>
    public void Require(bool known, string expected)
    {
        if (!known)
            throw Refused(expected);
    }

    public DfpoException Refused(string expected)
    {
        var value = IsAbsent ? "absent" : $"'{Value.GetRawText()}'";
        return new(
            "tokenizer/unsupported",
            $"'{File}': field '{Name}' is {(value.Length > 120 ? value[..119] + "...'" : value)} but must be {expected}."
        );
    }
}
