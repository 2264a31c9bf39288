using System.Text.Json.Nodes;
using DfPO.Models.Chat;

namespace DfPO.Models.Tests.Chat;

/// <summary>
/// Single features of templates against Jinja 3.1.6: the same text, a failure where it fails, or a word that the feature is not supported.
/// </summary>
[Trait("Category", "Vectors")]
public sealed class JinjaVectorTests
{
    /// <summary>Templates of the vectors that Jinja renders and that are refused here, by what the refusal names.</summary>
    private static readonly string[] s_refused =
    [
        "the filter 'e'",
        "the filter 'truncate'",
        "a recursive loop",
        "a number's 'real'",
        "a number's 'bit_length'",
        "None as a dictionary's key",
        "printing a function",
        "a slice of a range",
        "dictionary's key that is neither",
    ];

    [Fact]
    public void EveryTemplateIsRenderedAsJinjaDoesOrRefusedByName()
    {
        var files = Directory.GetFiles(Repository.Vectors, "jinja*.json");
        files = files.Length > 0 ? files : Directory.GetFiles(Repository.Path("tests/vectors"), "jinja*.json");
        var wrong = new List<string>();
        var rendered = 0;
        foreach (var file in files)
        {
            var vectors = JsonNode.Parse(File.ReadAllText(file))!;
            foreach (var vector in (JsonArray)vectors["cases"]!)
            {
                var (text, error) = Render((string)vector!["template"]!, (JsonObject)vectors["variables"]!);
                var expected = (string?)vector["expected"];
                if (error is { Code: "chat/unsupported" } && s_refused.Any(error.Message.Contains))
                    continue;
                rendered += text is null ? 0 : 1;
                if (expected != text || (error is not null && error.Code is not ("chat/template" or "chat/refused" or "chat/unsupported")))
                    wrong.Add(
                        $"{Path.GetFileName(file)}: {vector["template"]}\n  expected {expected ?? "a failure"}\n  not {text ?? error!.Message}"
                    );
            }
        }
        Assert.True(wrong.Count == 0, string.Join("\n", wrong));
        Assert.True(rendered > 80);
    }

    private static (string? Text, DfpoException? Error) Render(string template, JsonObject variables)
    {
        try
        {
            var messages = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = "Hi" });
            return (Chats.Template(template).Render(new ChatRequest(messages) { Variables = variables }), null);
        }
        catch (DfpoException e)
        {
            return (null, e);
        }
    }
}
