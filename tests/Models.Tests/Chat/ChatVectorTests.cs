using System.Text.Json.Nodes;
using DfPO.Models.Chat;

namespace DfPO.Models.Tests.Chat;

/// <summary>Chat templates against the texts and errors of transformers 5.24.0 and 4.57.6, in every folder that is there.</summary>
[Trait("Category", "Vectors")]
public sealed class ChatVectorTests
{
    public static TheoryData<string> Folders() => [.. Directory.GetDirectories(Repository.Chat).Select(folder => Path.GetFileName(folder)!).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Folders))]
    public void EveryTextAndErrorIsThatOfTransformers(string folder)
    {
        var path = Path.Combine(Repository.Chat, folder);
        var template = Template(path, folder);
        var cases = (JsonArray)JsonNode.Parse(File.ReadAllText(Path.Combine(path, "vectors.json")))!;
        Assert.NotEmpty(cases);
        var wrong = cases.Select((vector, index) => Check(template, (JsonObject)vector!) is { } why ? $"{folder}, case {index}: {why}" : null).OfType<string>().ToArray();
        Assert.True(wrong.Length == 0, $"{wrong.Length} of {cases.Count} cases:\n{string.Join("\n", wrong)}");
    }

    /// <summary>A folder without a template of its own has that of the real model of its name.</summary>
    private static ChatTemplate Template(string path, string folder)
    {
        if (ChatTemplateFiles.Find(path) is { } own)
            return own;
        var model = Path.Combine(Repository.Models, folder);
        Assert.SkipUnless(Directory.Exists(model) && ChatTemplateFiles.Find(model) is not null, $"the template of '{folder}' is inside the model of this name (set DFPO_MODELS)");
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
                : (string?)error["kind"] != "raise_exception" ? e.Code is "chat/template" or "chat/messages" ? null : $"{e.Code}: {e.Message}"
                : e.Code == "chat/refused" && e.Message.EndsWith(": " + (string?)error["message"], StringComparison.Ordinal) ? null
                : $"{e.Code}: {e.Message}";
        }
    }
}
