using System.Text.Json;
using DfPO.Models;
using DfPO.Tasks.Tables;

namespace DfPO.Tasks.Prompts;

/// <summary>Two continuations of a prompt, of which one was preferred.</summary>
/// <param name="Prompt">The prompt.</param>
/// <param name="Chosen">The better continuation.</param>
/// <param name="Rejected">The worse one.</param>
public sealed record Preference(string Prompt, string Chosen, string Rejected)
{
    /// <summary>
    /// Reads a .jsonl file of objects with the fields <c>prompt</c>, <c>chosen</c> and <c>rejected</c>; blank lines are skipped. A
    /// continuation may repeat its prompt.
    /// </summary>
    /// <exception cref="DfpoException"><c>preferences/missing</c>, <c>preferences/malformed</c> or <c>preferences/empty</c>, with file and
    /// line.</exception>
    public static IReadOnlyList<Preference> Read(string path)
    {
        if (!File.Exists(path))
            throw new DfpoException(
                "preferences/missing",
                $"File '{path}' does not exist: give a .jsonl file with one object {{\"prompt\": ..., \"chosen\": ..., \"rejected\": ...}} a line."
            );
        var pairs = new List<Preference>();
        foreach (var (number, line) in Table.Lines(path))
        {
            if (string.IsNullOrWhiteSpace(line))
                continue;
            if (!Table.IsDecoded(line))
                throw new DfpoException("preferences/malformed", Table.NotDecoded(path, number));
            pairs.Add(Parse(line, $"'{path}', line {number}"));
        }
        return pairs.Count > 0 ? pairs : throw new DfpoException("preferences/empty", $"'{path}' holds no pair: write at least one line.");
    }

    private static Preference Parse(string json, string place)
    {
        try
        {
            using var row = JsonDocument.Parse(json);
            var prompt = Field(row.RootElement, "prompt", place);
            string Continuation(string name)
            {
                var text = Field(row.RootElement, name, place);
                return text == prompt
                    ? throw new DfpoException(
                        "preferences/malformed",
                        $"{place}: field '{name}' is the prompt alone; it needs a continuation."
                    )
                    : text;
            }
            return new Preference(prompt, Continuation("chosen"), Continuation("rejected"));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new DfpoException("preferences/malformed", $"{place}: not valid JSON ({e.Message}).", e);
        }
    }

    private static string Field(JsonElement row, string name, string place) =>
        row.ValueKind == JsonValueKind.Object
        && row.TryGetProperty(name, out var value)
        && value.ValueKind == JsonValueKind.String
        && value.GetString() is { } text
        && !string.IsNullOrWhiteSpace(text)
            ? text
            : throw new DfpoException("preferences/malformed", $"{place}: field '{name}' is absent, empty or not a string.");
}
