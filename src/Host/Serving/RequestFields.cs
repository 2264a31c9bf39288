using System.Text.Json;
using System.Text.Json.Nodes;

namespace DfPO.Host.Serving;

/// <summary>The fields of a request: each is read by name and checked, and those that nobody reads are refused.</summary>
internal sealed class RequestFields(JsonObject json)
{
    private readonly HashSet<string> _read = [];

    /// <summary>A field as it stands; null where it is absent or null.</summary>
    public JsonNode? Node(string name)
    {
        _read.Add(name);
        return json[name];
    }

    public string? Text(string name) =>
        Node(name) is { } node
            ? node.GetValueKind() == JsonValueKind.String
                ? (string)node!
                : throw ApiError.Field(name, "a text is expected")
            : null;

    public bool Flag(string name) =>
        Node(name) is { } node
        && node.GetValueKind() switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            _ => throw ApiError.Field(name, "true or false is expected"),
        };

    public double? Number(string name, double least, double most) =>
        Node(name) is not { } node ? null
        : node is JsonValue value
        && value.GetValueKind() == JsonValueKind.Number
        && value.TryGetValue<double>(out var number)
        && number >= least
        && number <= most
            ? number
        : throw ApiError.Field(name, FormattableString.Invariant($"a number from {least} to {most} is expected"));

    public int? Whole(string name, int least, int most) =>
        Number(name, least, most) is not { } number ? null
        : number == Math.Truncate(number) ? (int)number
        : throw ApiError.Field(name, $"a whole number from {least} to {most} is expected");

    /// <summary>Refuses a field that asks for something which is not there, unless it asks for nothing.</summary>
    public void Refuse(string name, string why, params string[] harmless)
    {
        if (Node(name) is { } node && !harmless.Contains(node.ToJsonString()))
            throw new ApiError(400, $"Unsupported parameter: '{name}': {why}.", param: name, code: "unsupported_parameter");
    }

    /// <summary>Takes fields that change nothing about the answer.</summary>
    public void Ignore(params string[] names) => _read.UnionWith(names);

    /// <summary>Refuses what was not read, as OpenAI does.</summary>
    public void RefuseUnknown()
    {
        if (json.Select(field => field.Key).FirstOrDefault(name => !_read.Contains(name)) is { } unknown)
            throw new ApiError(400, $"Unrecognized request argument supplied: {unknown}", param: unknown, code: "unknown_parameter");
    }
}
