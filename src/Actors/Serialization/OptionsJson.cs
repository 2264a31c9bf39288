using System.Runtime.Serialization;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using DfPO.Models.Options;
using Google.Protobuf;

namespace DfPO.Actors.Serialization;

/// <summary>
/// Records of options on the wire: one JSON object, its names the keys of configuration files, of those that differ from their defaults. So
/// a new key travels without another line of code and changes no message that does not set it. A key that the reader does not know is
/// refused, for it would change what is computed. No type is named.
/// </summary>
internal static class OptionsJson
{
    private static readonly JsonSerializerOptions s_format = new()
    {
        TypeInfoResolver = new DefaultJsonTypeInfoResolver { Modifiers = { LeaveOutWhatIsKnown } },
        PropertyNamingPolicy = new KeyNames(),
        Converters = { new ChoiceNames() },
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        AllowDuplicateProperties = false,
        RespectNullableAnnotations = true,
    };

    /// <summary>Writes a record.</summary>
    public static ByteString Write<T>(T options) => UnsafeByteOperations.UnsafeWrap(JsonSerializer.SerializeToUtf8Bytes(options, s_format));

    /// <summary>Reads a record.</summary>
    /// <exception cref="SerializationException">It is no such record: broken, or with a key or a value that this version does not
    /// know.</exception>
    public static T Read<T>(ByteString json)
    {
        try
        {
            return JsonSerializer.Deserialize<T>(json.Span, s_format) ?? throw new JsonException("it is null");
        }
        catch (JsonException e)
        {
            throw new SerializationException($"{typeof(T).Name} cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Defaults, and what follows from other properties.</summary>
    private static void LeaveOutWhatIsKnown(JsonTypeInfo type)
    {
        if (type.Kind != JsonTypeInfoKind.Object)
            return;
        var defaults = type.CreateObject!();
        foreach (var property in type.Properties.ToArray())
        {
            if (property.Set is null)
                type.Properties.Remove(property);
            var unset = property.Get!(defaults);
            property.ShouldSerialize = (_, value) => !Equals(value, unset);
        }
    }

    private sealed class KeyNames : JsonNamingPolicy
    {
        public override string ConvertName(string name) => Kebab.Of(name);
    }

    /// <summary>
    /// Choices by their names in configuration files. The library's own converter would take two of them, joined by a comma, for a third.
    /// </summary>
    private sealed class ChoiceNames : JsonConverterFactory
    {
        public override bool CanConvert(Type typeToConvert) => typeToConvert.IsEnum;

        public override JsonConverter CreateConverter(Type typeToConvert, JsonSerializerOptions options) =>
            (JsonConverter)Activator.CreateInstance(typeof(ChoiceName<>).MakeGenericType(typeToConvert))!;
    }

    private sealed class ChoiceName<T> : JsonConverter<T>
        where T : struct, Enum
    {
        public override T Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            reader.TokenType == JsonTokenType.String && OptionValues.Parse(reader.GetString()!, typeof(T)) is T value
                ? value
                : throw new JsonException();

        public override void Write(Utf8JsonWriter writer, T value, JsonSerializerOptions options) =>
            writer.WriteStringValue(OptionValues.Text(value));
    }
}
