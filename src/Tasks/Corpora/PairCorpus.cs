using System.Text.Json;
using System.Text.Json.Nodes;
using DfPO.Models;
using DfPO.Models.Chat;
using DfPO.Tasks.Tables;

namespace DfPO.Tasks.Corpora;

/// <summary>Two texts, prompt included, of which one was preferred.</summary>
/// <param name="Chosen">The better one.</param>
/// <param name="Rejected">The worse one.</param>
/// <param name="Margin">By how much the scores should differ at least; null where the data does not say.</param>
public sealed record PairText(string Chosen, string Rejected, double? Margin = null);

/// <summary>
/// Preferences for a reward model: tables with <c>chosen</c> and <c>rejected</c>, texts or lists of messages, and optionally <c>prompt</c>
/// and <c>margin</c>.
/// </summary>
/// <remarks>
/// Without <c>prompt</c> each side holds it (an implicit prompt). A conversation becomes the text that a reward is asked about: its prompt
/// as the chat template writes it, then the content of the last message, which is the assistant's.
/// </remarks>
public static class PairCorpus
{
    private static readonly string[] s_columns = ["prompt", "chosen", "rejected", "margin"];

    /// <summary>Reads the pairs.</summary>
    /// <param name="path">.jsonl, .csv, .tsv (each also .gz) or .parquet.</param>
    /// <param name="template">Writes conversations; only asked for where there are some.</param>
    /// <exception cref="DfpoException"><c>preferences/missing</c>, <c>preferences/malformed</c> or <c>preferences/empty</c>, with file and
    /// line, <c>dataset/columns</c>, or what rendering a conversation gives.</exception>
    public static IReadOnlyList<PairText> Read(string path, Func<ChatTemplate> template)
    {
        if (!File.Exists(path))
            throw new DfpoException(
                "preferences/missing",
                $"File '{path}' does not exist: give a table with the columns 'chosen' and 'rejected', and 'prompt' where those are answers alone."
            );
        var lazy = new Lazy<ChatTemplate>(template);
        var pairs = new List<PairText>();
        try
        {
            foreach (var row in Table.Read(path, new MalformedRows(0)))
                pairs.Add(Pair(row, lazy));
        }
        catch (DfpoException e) when (e.Code == "dataset/malformed")
        {
            throw new DfpoException("preferences/malformed", e.Message, e);
        }
        if (pairs.Select(pair => pair.Margin is null).Distinct().Count() > 1)
            throw new DfpoException("preferences/malformed", $"'{path}': some rows have a 'margin' and some have none; give all of them one.");
        return pairs.Count > 0 ? pairs : throw new DfpoException("preferences/empty", $"'{path}' holds no pair: write at least one line.");
    }

    private static PairText Pair(DataRow row, Lazy<ChatTemplate> template)
    {
        (string Text, JsonArray? Messages)? prompt = row.Has(s_columns[0]) ? Side(row, s_columns[0]) : null;
        string Whole(string column)
        {
            var side = Side(row, column);
            return side.Messages is { } messages
                ? Rendered(row, column, prompt, messages, template.Value)
                : Joined(row, column, prompt, side.Text);
        }
        var (chosen, rejected) = (Whole(s_columns[1]), Whole(s_columns[2]));
        if (chosen == rejected)
            throw row.Malformed("'chosen' and 'rejected' are the same text: leave the row out.");
        var margin = row.Has(s_columns[3]) ? row.Number(s_columns[3]) ?? throw row.Malformed("'margin' is empty.") : (double?)null;
        return margin is { } number && !double.IsFinite(number)
            ? throw row.Malformed($"'margin' is {number} and no finite number.")
            : new PairText(chosen, rejected, margin);
    }

    /// <summary>A column's conversation or text; conversations in text formats are JSON arrays.</summary>
    private static (string Text, JsonArray? Messages) Side(DataRow row, string column)
    {
        var json = row.Json(column);
        if (!json.TrimStart().StartsWith('['))
            return (row.Text(column), null);
        try
        {
            if (
                JsonNode.Parse(json) is JsonArray { Count: > 0 } messages
                && messages.All(message => message is JsonObject item && item.ContainsKey("role") && item.ContainsKey("content"))
            )
                return ("", messages);
        }
        catch (JsonException) when (row.IsText(column))
        {
            // A text that begins with a bracket.
        }
        return row.IsText(column)
            ? (row.Text(column), null)
            : throw row.Malformed($"'{column}' must be a text or a list of messages, each with 'role' and 'content'.");
    }

    private static bool Begins(JsonArray whole, JsonArray with) =>
        whole.Count > with.Count && with.Index().All(message => JsonNode.DeepEquals(message.Item, whole[message.Index]));

    private static string Joined(DataRow row, string column, (string Text, JsonArray? Messages)? prompt, string text) =>
        prompt is null ? text
        : prompt.Value.Messages is not null ? throw row.Malformed($"'prompt' holds messages and '{column}' a text: write both the same way.")
        : text == prompt.Value.Text ? throw row.Malformed($"'{column}' is the prompt alone; it needs a continuation.")
        : text.StartsWith(prompt.Value.Text, StringComparison.Ordinal) ? text
        : prompt.Value.Text + text;

    private static string Rendered(
        DataRow row,
        string column,
        (string Text, JsonArray? Messages)? prompt,
        JsonArray messages,
        ChatTemplate template
    )
    {
        if (prompt is { Messages: null })
            throw row.Malformed($"'prompt' holds a text and '{column}' messages: write both the same way.");
        var whole = new JsonArray([.. messages.Select(message => message!.DeepClone())]);
        if (prompt?.Messages is { } before && !Begins(whole, before))
            whole = new JsonArray([.. before.Concat(messages).Select(message => message!.DeepClone())]);
        if (
            whole.Count < 2
            || whole[^1]!["role"] is not JsonValue role
            || role.ToString() != "assistant"
            || whole[^1]!["content"] is not JsonValue content
            || content.GetValueKind() != JsonValueKind.String
        )
            throw row.Malformed($"'{column}' must end with an answer: a message of the role 'assistant' with a text, behind other messages.");
        whole.RemoveAt(whole.Count - 1);
        try
        {
            return template.Render(new ChatRequest(whole) { AddGenerationPrompt = true }) + content;
        }
        catch (DfpoException e)
        {
            throw new DfpoException(e.Code, $"{row.Place}, '{column}': {e.Message}", e);
        }
    }
}
