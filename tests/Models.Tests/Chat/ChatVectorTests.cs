using System.Text.Json.Nodes;
using DfPO.Models.Chat;

namespace DfPO.Models.Tests.Chat;

/// <summary>Chat templates against the texts and errors of transformers 5.24.0 and 4.57.6, in every folder that is there.</summary>
[Trait("Category", "Vectors")]
public sealed class ChatVectorTests
{
    public static TheoryData<string> Folders() =>
        [.. Directory.GetDirectories(Repository.Chat).Select(folder => Path.GetFileName(folder)!).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Folders))]
    public void EveryTextAndErrorIsThatOfTransformers(string folder)
    {
        var path = Path.Combine(Repository.Chat, folder);
        var template = Template(path, folder);
        var cases = (JsonArray)JsonNode.Parse(File.ReadAllText(Path.Combine(path, "vectors.json")))!;
        Assert.NotEmpty(cases);
        var wrong = cases
            .Select((vector, index) => Check(template, (JsonObject)vector!) is { } why ? $"{folder}, case {index}: {why}" : null)
            .OfType<string>()
            .ToArray();
        Assert.True(wrong.Length == 0, $"{wrong.Length} of {cases.Count} cases:\n{string.Join("\n", wrong)}");
    }

    [Theory]
    [MemberData(nameof(Folders))]
    public void ATurnIsWhatTransformersWritesBehindThePrompt(string folder)
    {
        var path = Path.Combine(Repository.Chat, folder);
        var template = Template(path, folder);
        var plain = ((JsonArray)JsonNode.Parse(File.ReadAllText(Path.Combine(path, "vectors.json")))!)
            .OfType<JsonObject>()
            .Where(vector =>
                vector["expected"] is not null
                && (bool?)vector["continue_final_message"] is not true
                && vector["tools"] is null
                && vector["variables"] is not JsonObject { Count: > 0 }
            );
        var answers = plain
            .SelectMany(vector =>
                ((JsonArray)vector["messages"]!)
                    .Index()
                    .Where(message => message.Index > 0 && IsAnswer(message.Item))
                    .Select(message => (Vector: vector, message.Index))
            )
            .Where(answer => !IsLast(answer.Vector, answer.Index) || (bool?)answer.Vector["add_generation_prompt"] is not true)
            .ToArray();
        var checkedOnes = 0;
        foreach (var (vector, index) in answers)
        {
            var all = (JsonArray)vector["messages"]!;
            var isLast = IsLast(vector, index);
            // A template may write what is not the last turn in another way.
            if (!isLast && answers.Any(answer => IsLast(answer.Vector, answer.Index)))
                continue;
            var messages = new JsonArray([.. all.Take(index).Select(message => message!.DeepClone())]);

            var turn = template.Turn(messages, (string)all[index]!["content"]!);

            var (text, prompt) = ((string)vector["expected"]!, template.Render(new ChatRequest(messages) { AddGenerationPrompt = true }));
            if (!text.StartsWith(prompt, StringComparison.Ordinal))
                Assert.True(isLast && text.EndsWith(turn, StringComparison.Ordinal), $"{folder}: '{text}' does not end with '{turn}'");
            else
                Assert.True(
                    isLast ? prompt + turn == text : text.StartsWith(prompt + turn, StringComparison.Ordinal),
                    $"{folder}: '{prompt}' and '{turn}' do not make '{text}'"
                );
            checkedOnes++;
        }
        Assert.SkipUnless(checkedOnes > 0, $"'{folder}' has no conversation with an answer");
    }

    private static bool IsLast(JsonObject vector, int index) => index == ((JsonArray)vector["messages"]!).Count - 1;

    private static bool IsAnswer(JsonNode? message) =>
        message is JsonObject { Count: 2 } fields
        && (string?)fields["role"] == "assistant"
        && fields["content"] is JsonValue content
        && content.TryGetValue<string>(out _);

    /// <summary>A folder without a template of its own has that of the real model of its name.</summary>
    private static ChatTemplate Template(string path, string folder)
    {
        if (ChatTemplateFiles.Find(path) is { } own)
            return own;
        var model = Path.Combine(Repository.Models, folder);
        Assert.SkipUnless(
            Directory.Exists(model) && ChatTemplateFiles.Find(model) is not null,
            $"the template of '{folder}' is inside the model of this name (set DFPO_MODELS)"
        );
        return ChatTemplate.Load(model);
    }

    /// <summary>What is wrong with a case; null for nothing.</summary>
    private static string? Check(ChatTemplate template, JsonObject vector)
    {
        var request = new ChatRequest((JsonArray)vector["messages"]!)
        {
            AddGenerationPrompt = (bool?)vector["add_generation_prompt"] ?? false,
            ContinueFinalMessage = (bool?)vector["continue_final_message"] ?? false,
            Tools = vector["tools"] as JsonArray,
            Variables = vector["variables"] as JsonObject,
        };
        try
        {
            var text = template.Render(request);
            var expected = (string?)vector["expected"] ?? "an error";
            return text == expected ? null : $"'{text}' instead of '{expected}'";
        }
        catch (DfpoException e)
        {
            return vector["error"] is not { } error ? $"{e.Code}: {e.Message}"
                : (string?)error["kind"] != "raise_exception"
                    ? e.Code is "chat/template" or "chat/messages" ? null
                        : $"{e.Code}: {e.Message}"
                : e.Code == "chat/refused" && e.Message.EndsWith(": " + (string?)error["message"], StringComparison.Ordinal) ? null
                : $"{e.Code}: {e.Message}";
        }
    }
}
