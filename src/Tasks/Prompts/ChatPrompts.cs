using System.Text.Json;
using System.Text.Json.Nodes;
using DfPO.Models;
using DfPO.Models.Chat;
using DfPO.Models.Tokenizers;

namespace DfPO.Tasks.Prompts;

/// <summary>Prompts that are conversations.</summary>
public static class ChatPrompts
{
    /// <summary>A prompt of messages, not rendered yet.</summary>
    /// <param name="id">Its id.</param>
    /// <param name="messages">A JSON array of objects with <c>role</c>, <c>content</c> and whatever else a template looks at.</param>
    /// <param name="place">Where they stand, for errors.</param>
    /// <exception cref="DfpoException"><c>prompts/malformed</c>.</exception>
    public static Prompt Create(string id, string messages, string place)
    {
        var list = Parse(messages, place);
        if (
            list.Count == 0
            || list.Any(message =>
                message is not JsonObject item
                || item["role"] is not JsonValue role
                || role.GetValueKind() != JsonValueKind.String
                || !item.ContainsKey("content")
            )
        )
            throw new DfpoException(
                "prompts/malformed",
                $"{place} must be a list of at least one message, each an object with 'role' and 'content'."
            );
        if ((string?)list[^1]!["role"] == "assistant")
            throw new DfpoException(
                "prompts/malformed",
                $"{place} ends with the assistant's message, which is what a continuation will be: leave it out, or give it as a reference."
            );
        var text = list.ToJsonString();
        return new Prompt(id, text) { Messages = text };
    }

    /// <summary>A prompt of one message by a user.</summary>
    public static Prompt Ask(string id, string text) =>
        Create(id, new JsonArray(new JsonObject { ["role"] = "user", ["content"] = text }).ToJsonString(), $"prompt '{id}'");

    /// <summary>
    /// Prompts whose conversations are written by a checkpoint's chat template, up to where the assistant's answer begins. Plain prompts
    /// stay as they are.
    /// </summary>
    /// <exception cref="DfpoException"><c>chat/missing</c>: the checkpoint has no template; or what rendering gives, with the prompt's
    /// id.</exception>
    public static IReadOnlyList<Prompt> Render(IReadOnlyList<Prompt> prompts, string checkpoint)
    {
        if (prompts.All(prompt => prompt.Messages is null))
            return prompts;
        var template = ChatTemplate.Load(checkpoint);
        return [.. prompts.Select(prompt => prompt.Messages is null ? prompt : prompt with { Text = Render(prompt, template) })];
    }

    /// <summary>
    /// Token ids of a prompt. A rendered conversation has the special tokens that belong to it already, so none are put around it.
    /// </summary>
    /// <param name="tokenizer">The policy's.</param>
    /// <param name="prompt">A prompt, rendered where it is a conversation.</param>
    /// <param name="longest">Most tokens.</param>
    /// <param name="side">The end that a longer prompt loses.</param>
    public static int[] Encode(
        TextTokenizer tokenizer,
        Prompt prompt,
        int longest = int.MaxValue,
        TruncationSide side = TruncationSide.Left
    )
    {
        if (prompt.Messages is null)
            return tokenizer.EncodeInput(prompt.Text, longest, side);
        var ids = tokenizer.Encode(prompt.Text);
        return ids.Length <= longest ? ids
            : side == TruncationSide.Left ? ids[^longest..]
            : ids[..longest];
    }

    /// <summary>An answer to a prompt of messages as its template writes it, with the end of the assistant's turn.</summary>
    /// <exception cref="DfpoException">What rendering gives, with the prompt's id.</exception>
    public static string Turn(Prompt prompt, string answer, ChatTemplate template) =>
        Rendered(prompt, messages => template.Turn(messages, answer));

    private static string Render(Prompt prompt, ChatTemplate template) =>
        Rendered(prompt, messages => template.Render(new ChatRequest(messages) { AddGenerationPrompt = true }));

    private static string Rendered(Prompt prompt, Func<JsonArray, string> render)
    {
        try
        {
            return render(Parse(prompt.Messages!, $"prompt '{prompt.Id}'"));
        }
        catch (DfpoException e)
        {
            throw new DfpoException(e.Code, $"Prompt '{prompt.Id}': {e.Message}", e);
        }
    }

    private static JsonArray Parse(string messages, string place)
    {
        try
        {
            return JsonNode.Parse(messages) as JsonArray
                ?? throw new DfpoException("prompts/malformed", $"{place} must be a list of messages.");
        }
        catch (Exception e) when (e is JsonException or ArgumentException)
        {
            throw new DfpoException("prompts/malformed", $"{place} is not valid JSON ({e.Message}).", e);
        }
    }
}
