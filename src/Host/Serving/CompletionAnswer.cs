using System.Text;
using System.Text.Json.Nodes;
using DfPO.Actors;
using DfPO.Models.Tokenizers;
using DfPO.Rollout.Serving;

namespace DfPO.Host.Serving;

/// <summary>A piece of one choice: text, the tokens behind it, and why it ends.</summary>
/// <param name="Choice">Index of the choice.</param>
/// <param name="Text">Text that is new; may be empty.</param>
/// <param name="Tokens">Tokens that are new, but for the one that ends the text.</param>
/// <param name="Finish"><c>stop</c> or <c>length</c> of the last piece, else null.</param>
internal sealed record AnswerPiece(int Choice, string Text, IReadOnlyList<LiveToken> Tokens, string? Finish);

/// <summary>Answers in OpenAI's form.</summary>
/// <param name="request">What was asked for.</param>
/// <param name="model">Who answers.</param>
internal sealed class CompletionAnswer(CompletionRequest request, ServedModel model)
{
    private readonly string _id = $"{(request.IsChat ? "chatcmpl" : "cmpl")}-{Guid.NewGuid():N}";
    private readonly long _created = DateTimeOffset.UtcNow.ToUnixTimeSeconds();

    /// <summary>The whole answer.</summary>
    /// <param name="choices">All pieces of each choice.</param>
    /// <param name="completionTokens">Tokens drawn.</param>
    public JsonObject Whole(IReadOnlyList<AnswerPiece> choices, int completionTokens) =>
        Frame(
            request.IsChat ? "chat.completion" : "text_completion",
            [
                .. choices.Select(piece => request.IsChat
                    ? Choice(
                        piece,
                        "message",
                        new JsonObject
                        {
                            ["role"] = "assistant",
                            ["content"] = piece.Text,
                            ["refusal"] = null,
                        }
                    )
                    : Choice(piece, "text", piece.Text)
                ),
            ],
            Usage(completionTokens)
        );

    /// <summary>The first message of a choice of a chat's stream.</summary>
    public JsonObject Opening(int choice) =>
        Frame(
            "chat.completion.chunk",
            [Choice(new(choice, "", [], null), "delta", new JsonObject { ["role"] = "assistant", ["content"] = "" })],
            null
        );

    /// <summary>A message of a stream.</summary>
    public JsonObject Chunk(AnswerPiece piece) =>
        request.IsChat
            ? Frame(
                "chat.completion.chunk",
                [Choice(piece, "delta", piece.Text.Length > 0 ? new JsonObject { ["content"] = piece.Text } : new JsonObject())],
                null
            )
            : Frame("text_completion", [Choice(piece, "text", piece.Text)], null);

    /// <summary>The last message of a stream that is to tell its tokens.</summary>
    public JsonObject UsageChunk(int completionTokens) =>
        Frame(request.IsChat ? "chat.completion.chunk" : "text_completion", [], Usage(completionTokens));

    private JsonObject Frame(string kind, JsonObject[] choices, JsonObject? usage)
    {
        var frame = new JsonObject
        {
            ["id"] = _id,
            ["object"] = kind,
            ["created"] = _created,
            ["model"] = model.Id,
            ["system_fingerprint"] = $"dfpo-{ProductVersion.Text}",
            ["choices"] = new JsonArray([.. choices]),
        };
        if (usage is not null)
            frame["usage"] = usage;
        return frame;
    }

    private JsonObject Choice(AnswerPiece piece, string name, JsonNode content) =>
        new()
        {
            ["index"] = piece.Choice,
            [name] = content,
            ["logprobs"] =
                request.TopLogprobs is null || (piece.Tokens.Count == 0 && name == "delta") ? null
                : request.IsChat ? ChatLogprobs(piece.Tokens)
                : TextLogprobs(piece.Tokens),
            ["finish_reason"] = piece.Finish,
        };

    private JsonObject Usage(int completionTokens)
    {
        var prompt = request.Prompts.Sum(tokens => tokens.Length);
        return new()
        {
            ["prompt_tokens"] = prompt,
            ["completion_tokens"] = completionTokens,
            ["total_tokens"] = prompt + completionTokens,
        };
    }

    private JsonObject ChatLogprobs(IReadOnlyList<LiveToken> tokens) =>
        new()
        {
            ["content"] = new JsonArray([
                .. tokens.Select(token =>
                {
                    var entry = Entry(token.Token, token.Logprob);
                    entry["top_logprobs"] = new JsonArray([.. token.Top.Select(top => Entry(top.Token, top.Logprob))]);
                    return entry;
                }),
            ]),
            ["refusal"] = null,
        };

    private JsonObject Entry(int token, float logprob)
    {
        var text = TextOf(token);
        return new()
        {
            ["token"] = text,
            ["logprob"] = logprob,
            // Half of a character has no text to take bytes of.
            ["bytes"] = text.Contains('\uFFFD')
                ? null
                : new JsonArray([.. Encoding.UTF8.GetBytes(text).Select(part => (JsonNode)(int)part)]),
        };
    }

    private JsonObject TextLogprobs(IReadOnlyList<LiveToken> tokens)
    {
        var (offset, offsets) = (0, new JsonArray());
        foreach (var token in tokens)
        {
            offsets.Add((JsonNode)offset);
            offset += TextOf(token.Token).Length;
        }
        return new()
        {
            ["tokens"] = new JsonArray([.. tokens.Select(token => (JsonNode)TextOf(token.Token))]),
            ["token_logprobs"] = new JsonArray([.. tokens.Select(token => (JsonNode)token.Logprob)]),
            ["top_logprobs"] = new JsonArray([
                .. tokens.Select(token =>
                {
                    var top = new JsonObject();
                    foreach (var (other, logprob) in token.Top)
                        top[TextOf(other)] = logprob;
                    return top;
                }),
            ]),
            ["text_offset"] = offsets,
        };
    }

    private string TextOf(int token) =>
        model.Tokenizer.AddedTokens.TryGetValue(token, out var added) ? added.Content : model.Tokenizer.DecodeContinuation([token]);
}
