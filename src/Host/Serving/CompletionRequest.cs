using System.Text.Json;
using System.Text.Json.Nodes;
using DfPO.Models;
using DfPO.Models.Policies;
using DfPO.Rollout;
using DfPO.Rollout.Serving;

namespace DfPO.Host.Serving;

/// <summary>What a request asks for, checked.</summary>
/// <param name="IsChat">Whether it is a conversation, and not a text.</param>
/// <param name="Prompts">Token ids, a row a prompt.</param>
/// <param name="Choices">Continuations of each prompt.</param>
/// <param name="Options">How they are drawn.</param>
/// <param name="Seed">Seed of all of them.</param>
/// <param name="Stops">Texts that end a continuation before them.</param>
/// <param name="TopLogprobs">Likeliest tokens told of each; null where no log-probabilities are asked for.</param>
/// <param name="Stream">Whether it is answered token by token.</param>
/// <param name="WithUsage">Whether a stream ends with the number of its tokens.</param>
internal sealed record CompletionRequest(
    bool IsChat,
    IReadOnlyList<int[]> Prompts,
    int Choices,
    GenerationOptions Options,
    ulong Seed,
    IReadOnlyList<string> Stops,
    int? TopLogprobs,
    bool Stream,
    bool WithUsage
)
{
    private const int MostChoices = 128;
    private const int MostStops = 4;
    private const int UsualTokensOfText = 16;

    /// <summary>The sequences that answer it, prompt by prompt.</summary>
    public IReadOnlyList<ServedSequence> Sequences() =>
        [
            .. Enumerable
                .Range(0, Prompts.Count * Choices)
                .Select(index => new ServedSequence(
                    new LiveSequence(Prompts[index / Choices], CounterRandom.UInt64(Seed, (ulong)index), Options, TopLogprobs ?? 0)
                )),
        ];

    /// <summary>Reads a request's body.</summary>
    /// <param name="json">The body.</param>
    /// <param name="isChat">Which endpoint it came to.</param>
    /// <param name="model">What is served.</param>
    /// <param name="mostTokens">Most new tokens of a continuation.</param>
    /// <exception cref="ApiError">A field is wrong, unknown, or asks for what is not there.</exception>
    public static CompletionRequest Read(JsonObject json, bool isChat, ServedModel model, int mostTokens)
    {
        var fields = new RequestFields(json);
        var name = fields.Text("model") ?? throw new ApiError(400, "you must provide a model parameter", param: "model");
        if (name != model.Id)
            throw model.NotFound(name);
        IReadOnlyList<int[]> prompts = isChat ? [model.Encode(Messages(fields))] : ReadPrompts(fields, model);
        var choices = fields.Whole("n", 1, MostChoices) ?? 1;
        var options = Drawing(fields, model, isChat, mostTokens, prompts.Max(prompt => prompt.Length));
        var seed = fields.Number("seed", long.MinValue, long.MaxValue) is { } given ? unchecked((ulong)(long)given) : Random();
        var stream = fields.Flag("stream");
        var withUsage = Usage(fields, stream);
        var request = new CompletionRequest(
            isChat,
            prompts,
            choices,
            options,
            seed,
            ReadStops(fields),
            isChat ? ChatLogprobs(fields) : fields.Whole("logprobs", 0, 5),
            stream,
            withUsage
        );
        Refuse(fields, isChat, choices);
        fields.RefuseUnknown();
        foreach (var prompt in prompts)
            model.Check(new LiveSequence(prompt, 0, options));
        return request;
    }

    private static GenerationOptions Drawing(RequestFields fields, ServedModel model, bool isChat, int mostTokens, int promptTokens)
    {
        var basis = model.Defaults;
        var room = Math.Max(1, Math.Min(mostTokens, model.MaxPositions - promptTokens));
        int? older = fields.Whole("max_tokens", 1, mostTokens),
            newer = isChat ? fields.Whole("max_completion_tokens", 1, mostTokens) : null;
        var most = newer ?? older ?? (isChat ? room : Math.Min(UsualTokensOfText, room));
        var least = fields.Whole("min_tokens", 0, most) ?? 0;
        // 0 takes the likeliest token.
        var temperature = fields.Number("temperature", 0, 2) ?? basis.Temperature;
        var topK = fields.Whole("top_k", 0, int.MaxValue) ?? basis.TopK;
        return basis with
        {
            MaxNewTokens = most,
            MinNewTokens = least,
            Temperature = temperature == 0 ? 1 : (float)temperature,
            TopK = temperature == 0 ? 1 : topK,
            TopP = fields.Number("top_p", 0, 1) is { } topP ? Math.Max((float)topP, 1e-6f) : basis.TopP,
            RepetitionPenalty = (float)(fields.Number("repetition_penalty", 1e-3, 1e3) ?? basis.RepetitionPenalty),
            NoRepeatNgramSize = fields.Whole("no_repeat_ngram_size", 0, 1000) ?? basis.NoRepeatNgramSize,
            Policy = fields.Text("policy") is { } policy
                ? DecodingPolicies.Find(policy)
                    ?? throw ApiError.Field(
                        "policy",
                        $"one of {string.Join(", ", DecodingPolicies.All.Select(one => one.Symbol()))} is expected"
                    )
                : DecodingPolicy.Policy,
            Tolerance = (float)(fields.Number("tolerance", 0, 1e6) ?? basis.Tolerance),
        };
    }

    private static JsonArray Messages(RequestFields fields)
    {
        if (fields.Node("messages") is not JsonArray { Count: > 0 } given)
            throw new ApiError(400, "Missing required parameter: 'messages'.", param: "messages", code: "missing_required_parameter");
        var messages = new JsonArray();
        foreach (var (index, node) in given.Index())
        {
            var place = $"messages[{index}]";
            if (node is not JsonObject message || message["role"] is not JsonValue role || role.GetValueKind() != JsonValueKind.String)
                throw ApiError.Field(place, "an object with 'role' and 'content' is expected");
            foreach (var (field, value) in message)
                if (field is not ("role" or "content" or "name" or "refusal") && value is not null)
                    throw new ApiError(
                        400,
                        $"Unsupported parameter: '{place}.{field}'.",
                        param: $"{place}.{field}",
                        code: "unsupported_parameter"
                    );
            var read = new JsonObject
            {
                // Newer clients call the system so.
                ["role"] = (string)role! is "developer" ? "system" : (string)role!,
                ["content"] = Content(message["content"], place),
            };
            messages.Add((JsonNode)read);
        }
        return messages;
    }

    private static string Content(JsonNode? content, string place) =>
        content switch
        {
            JsonValue text when text.GetValueKind() == JsonValueKind.String => (string)text!,
            JsonArray parts when parts.All(IsText) => string.Concat(parts.Select(part => (string)part!["text"]!)),
            JsonArray => throw ApiError.Field($"{place}.content", "parts of the type 'text' are all that this model reads"),
            _ => throw ApiError.Field($"{place}.content", "a text is expected"),
        };

    private static bool IsText(JsonNode? part) =>
        part is JsonObject item && item["type"]?.ToJsonString() == "\"text\"" && item["text"]?.GetValueKind() == JsonValueKind.String;

    private static IReadOnlyList<int[]> ReadPrompts(RequestFields fields, ServedModel model)
    {
        int[] Text(JsonNode? node) =>
            node is JsonValue value && value.GetValueKind() == JsonValueKind.String
                ? model.Tokenizer.EncodeInput((string)value!)
                : throw ApiError.Field("prompt", "a text, a list of texts, or token ids are expected");
        int[] Ids(JsonArray ids) =>
            ids.All(id => id is JsonValue value && value.GetValueKind() == JsonValueKind.Number && value.TryGetValue<int>(out _))
                ? [.. ids.Select(id => (int)id!)]
                : throw ApiError.Field("prompt", "a text, a list of texts, or token ids are expected");
        return fields.Node("prompt") switch
        {
            null => throw new ApiError(400, "Missing required parameter: 'prompt'.", param: "prompt", code: "missing_required_parameter"),
            JsonArray { Count: > MostChoices } => throw ApiError.Field("prompt", $"at most {MostChoices} prompts are expected"),
            JsonArray { Count: > 0 } all when all.All(item => item is JsonArray) => [.. all.Select(item => Ids((JsonArray)item!))],
            JsonArray { Count: > 0 } all when all.All(item => item?.GetValueKind() == JsonValueKind.Number) => [Ids(all)],
            JsonArray { Count: > 0 } all => [.. all.Select(Text)],
            var one => [Text(one)],
        };
    }

    private static string[] ReadStops(RequestFields fields)
    {
        string[] stops = fields.Node("stop") switch
        {
            null => [],
            JsonValue one when one.GetValueKind() == JsonValueKind.String => [(string)one!],
            JsonArray { Count: <= MostStops } several when several.All(item => item?.GetValueKind() == JsonValueKind.String) =>
            [
                .. several.Select(item => (string)item!),
            ],
            _ => throw ApiError.Field("stop", $"a text or at most {MostStops} texts are expected"),
        };
        return stops.Any(stop => stop.Length == 0) ? throw ApiError.Field("stop", "a stop sequence must not be empty") : stops;
    }

    private static int? ChatLogprobs(RequestFields fields)
    {
        var (wanted, top) = (fields.Flag("logprobs"), fields.Whole("top_logprobs", 0, 20));
        return
            wanted ? top ?? 0
            : top is > 0 ? throw ApiError.Field("top_logprobs", "'logprobs' must be true with it")
            : null;
    }

    private static bool Usage(RequestFields fields, bool stream)
    {
        if (fields.Node("stream_options") is not { } options)
            return false;
        if (!stream || options is not JsonObject given)
            throw ApiError.Field("stream_options", "an object is expected, and 'stream' must be true with it");
        var inner = new RequestFields(given);
        var wanted = inner.Flag("include_usage");
        inner.Ignore("include_obfuscation");
        inner.RefuseUnknown();
        return wanted;
    }

    /// <summary>What OpenAI knows and this server has not; a value that asks for nothing passes.</summary>
    private static void Refuse(RequestFields fields, bool isChat, int choices)
    {
        foreach (var penalty in new[] { "presence_penalty", "frequency_penalty" })
            fields.Refuse(penalty, "'repetition_penalty' and 'no_repeat_ngram_size' are what there is", "0", "0.0");
        fields.Refuse("logit_bias", "no biases are added here", "{}");
        fields.Ignore("user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key");
        if (isChat)
        {
            fields.Refuse("tools", "this model calls no tools", "[]");
            fields.Refuse("functions", "this model calls no functions", "[]");
            fields.Refuse("tool_choice", "this model calls no tools", "\"none\"", "\"auto\"");
            fields.Refuse("function_call", "this model calls no functions", "\"none\"", "\"auto\"");
            fields.Refuse("parallel_tool_calls", "this model calls no tools", "true", "false");
            fields.Refuse("response_format", "answers are plain text", """{"type":"text"}""");
            fields.Refuse("modalities", "answers are text", """["text"]""");
            fields.Refuse("audio", "answers are text");
            fields.Refuse("prediction", "nothing is predicted here");
            fields.Refuse("reasoning_effort", "this model does not reason apart from its answer", "\"none\"");
            fields.Refuse("verbosity", "answers have one length", "\"medium\"");
            fields.Refuse("web_search_options", "nothing is searched here");
        }
        else
        {
            fields.Refuse("echo", "prompts are not repeated", "false");
            fields.Refuse("suffix", "texts are only continued at their end", "\"\"");
            fields.Refuse("best_of", "every continuation is returned", "1", FormattableString.Invariant($"{choices}"));
        }
    }

    private static ulong Random() => BitConverter.ToUInt64(System.Security.Cryptography.RandomNumberGenerator.GetBytes(8));
}
