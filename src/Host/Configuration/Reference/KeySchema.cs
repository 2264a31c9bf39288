using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using DfPO.Actors.Configuration;

namespace DfPO.Host.Configuration.Reference;

/// <summary>The keys of an experiment as a JSON schema (draft 2020-12), for editors that complete and check HOCON or JSON files.</summary>
internal static class KeySchema
{
    private static readonly JsonSerializerOptions s_format = new()
    {
        WriteIndented = true,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>The schema's text.</summary>
    public static string Write()
    {
        var root = Section(typeof(ExperimentConfig), "");
        var learner = root["properties"]!["learner"]!["properties"]!.AsObject();
        learner["preset"] = new JsonObject
        {
            ["description"] = "Settings of the learner's switches under a name.",
            ["enum"] = new JsonArray([.. LearnerPresets.All.Keys.Select(name => JsonValue.Create(name))]),
        };
        return new JsonObject
        {
            ["$schema"] = "https://json-schema.org/draft/2020-12/schema",
            ["title"] = "DfPO experiment",
            ["type"] = "object",
            ["additionalProperties"] = false,
            ["properties"] = root["properties"]!.DeepClone(),
        }.ToJsonString(s_format) + "\n";
    }

    private static JsonObject Section(Type type, string prefix)
    {
        var properties = new JsonObject();
        foreach (
            var key in OptionSchema
                .Of(typeof(ExperimentConfig))
                .Where(key => key.Follows is null && key.Property.DeclaringType == type && Parent(key.Key) == prefix)
        )
        {
            var name = key.Key[(prefix.Length == 0 ? 0 : prefix.Length + 1)..];
            var schema = key.IsSection ? Section(key.Property.PropertyType, key.Key) : Value(key);
            schema["description"] = key.Meaning;
            properties[name] = schema;
        }
        return new JsonObject
        {
            ["type"] = "object",
            ["additionalProperties"] = false,
            ["properties"] = properties,
        };
    }

    private static string Parent(string key) => key.LastIndexOf('.') is > 0 and var at ? key[..at] : "";

    private static JsonObject Value(OptionKey key)
    {
        var schema = OptionSchema.ItemType(key.Property.PropertyType) is { } item
            ? new JsonObject { ["type"] = "array", ["items"] = One(item, key.Property) }
            : One(key.Property.PropertyType, key.Property);
        if (key.Default is not null)
            schema["default"] = Json(key.Default);
        return schema;
    }

    private static JsonObject One(Type type, PropertyInfo property)
    {
        var schema = new JsonObject();
        if (type.IsEnum)
            schema["enum"] = new JsonArray([.. Enum.GetNames(type).Select(name => JsonValue.Create(Kebab.Of(name)))]);
        else
            schema["type"] = Type.GetTypeCode(type) switch
            {
                TypeCode.Boolean => "boolean",
                TypeCode.Int32 or TypeCode.Int64 or TypeCode.UInt64 => "integer",
                TypeCode.Single or TypeCode.Double => "number",
                _ => "string",
            };
        if (property.GetCustomAttribute<RangeAttribute>() is { } range)
        {
            Bound(schema, range.MinimumIsExclusive ? "exclusiveMinimum" : "minimum", range.Minimum);
            Bound(schema, range.MaximumIsExclusive ? "exclusiveMaximum" : "maximum", range.Maximum);
        }
        if (property.GetCustomAttribute<AllowedValuesAttribute>() is { } allowed)
            schema["enum"] = new JsonArray([.. allowed.Values.Select(value => JsonValue.Create((string)value!))]);
        if (property.GetCustomAttribute<RegularExpressionAttribute>() is { } pattern)
            schema["pattern"] = $"^({pattern.Pattern})$";
        return schema;
    }

    private static void Bound(JsonObject schema, string name, object bound)
    {
        var number = Convert.ToDouble(bound, CultureInfo.InvariantCulture);
        if (double.IsFinite(number) && number is not (int.MaxValue or int.MinValue))
            schema[name] = number;
    }

    private static JsonNode? Json(object value) =>
        value switch
        {
            string text => text,
            bool flag => flag,
            int or long or ulong => JsonNode.Parse(OptionValues.Text(value)),
            double number => number,
            float number => JsonNode.Parse(OptionValues.Text(number)),
            System.Collections.IEnumerable items => new JsonArray([.. items.Cast<object>().Select(Json)]),
            _ => OptionValues.Text(value),
        };
}
