using System.Text.Json.Nodes;

namespace DfPO.Host.Serving;

/// <summary>A failure in the form that OpenAI's clients know.</summary>
internal sealed class ApiError(int status, string message, string type = "invalid_request_error", string? param = null, string? code = null)
    : Exception(message)
{
    public int Status => status;

    public JsonObject Body() =>
        new()
        {
            ["error"] = new JsonObject
            {
                ["message"] = Message,
                ["type"] = type,
                ["param"] = param,
                ["code"] = code,
            },
        };

    /// <summary>A field that is wrong.</summary>
    public static ApiError Field(string name, string rule) => new(400, $"Invalid '{name}': {rule}.", param: name, code: "invalid_value");
}
