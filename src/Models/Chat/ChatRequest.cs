using System.Text.Json.Nodes;

namespace DfPO.Models.Chat;

/// <summary>A conversation, and how it is to be written as one text.</summary>
/// <param name="Messages">Objects with <c>role</c>, <c>content</c> and whatever else the template looks at; at least one. A field that is
/// null counts as absent.</param>
public sealed record ChatRequest(JsonArray Messages)
{
    /// <summary>Whether the text ends where the assistant's next message begins.</summary>
    public bool AddGenerationPrompt { get; init; }

    /// <summary>Whether the text ends with the last message's content, for a model to go on with it.</summary>
    public bool ContinueFinalMessage { get; init; }

    /// <summary>
    /// Functions that the model may call, as JSON schemas; null for none. An empty array is not none: it too picks a template called
    /// <c>tool_use</c>.
    /// </summary>
    public JsonArray? Tools { get; init; }

    /// <summary>Further names for the template, such as <c>enable_thinking</c>; they come before the tokenizer's special tokens.</summary>
    public JsonObject? Variables { get; init; }
}
