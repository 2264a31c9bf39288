using System.Text.Encodings.Web;
using System.Text.Json;
using DfPO.Models;
using DfPO.Tasks.Tables;

namespace DfPO.Tasks.Prompts;

/// <summary>
/// The prompts of one split, from a .jsonl file with fields <c>id</c> and <c>text</c>, or <c>messages</c> for a conversation, and
/// optionally <c>references</c> and <c>concepts</c>, lists of texts.
/// </summary>
public sealed class PromptSet(IReadOnlyList<Prompt> prompts)
{
    private static readonly JsonWriterOptions s_writing = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private Stream? _stream;

    /// <summary>In the file's order.</summary>
    public IReadOnlyList<Prompt> Prompts { get; } = prompts;

    /// <summary>Reads a file; blank lines are skipped.</summary>
    /// <exception cref="DfpoException"><c>prompts/missing</c>, <c>prompts/malformed</c>, <c>prompts/empty</c> or <c>prompts/duplicate</c>,
    /// with file and line.</exception>
    public static PromptSet Read(string path)
    {
        if (!File.Exists(path))
            throw new DfpoException(
                "prompts/missing",
                $"Prompt file '{path}' does not exist: give a .jsonl file with one object {{\"id\": ..., \"text\": ...}}, or with \"messages\" in place of the text, a line."
            );
        var prompts = new List<Prompt>();
        var lines = new Dictionary<string, int>();
        foreach (var (number, line) in Table.Lines(path))
        {
            if (string.IsNullOrWhiteSpace(line))
                continue;
            if (!Table.IsDecoded(line))
                throw new DfpoException("prompts/malformed", Table.NotDecoded(path, number));
            var place = $"'{path}', line {number}";
            var prompt = Parse(line, place);
            if (!lines.TryAdd(prompt.Id, number))
                throw new DfpoException(
                    "prompts/duplicate",
                    $"{place}: the id '{prompt.Id}' stands already in line {lines[prompt.Id]}; ids must be unique within a file."
                );
            prompts.Add(prompt);
        }
        return prompts.Count > 0
            ? new PromptSet(prompts)
            : throw new DfpoException("prompts/empty", $"Prompt file '{path}' holds no prompt: write at least one line.");
    }

    /// <summary>Writes a file that <see cref="Read"/> reads; it appears whole or not at all.</summary>
    public void Write(string path)
    {
        var unfinished = path + ".tmp";
        using (var file = File.Create(unfinished))
            foreach (var prompt in Prompts)
            {
                using (var row = new Utf8JsonWriter(file, s_writing))
                    Write(row, prompt);
                file.WriteByte((byte)'\n');
            }
        File.Move(unfinished, path, overwrite: true);
    }

    /// <summary>
    /// The n-th prompt of an endless seeded stream that goes through a fresh permutation each epoch; a pure function, so the cursor is all
    /// there is to save.
    /// </summary>
    /// <param name="seed">Seed of the stream.</param>
    /// <param name="index">Draws before this one, at least 0.</param>
    public Prompt Draw(ulong seed, long index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        var stream = _stream;
        // The seed is mixed, so that streams of neighbouring seeds share no epoch.
        if (stream is null || stream.Seed != seed)
            _stream = stream = new Stream(seed, new EpochOrder(Prompts.Count, CounterRandom.UInt64(seed, 0)));
        return Prompts[stream.Order[(ulong)index]];
    }

    private static void Write(Utf8JsonWriter row, Prompt prompt)
    {
        row.WriteStartObject();
        row.WriteString("id", prompt.Id);
        if (prompt.Messages is null)
            row.WriteString("text", prompt.Text);
        else
        {
            row.WritePropertyName("messages");
            row.WriteRawValue(prompt.Messages);
        }
        foreach (var (name, texts) in new[] { ("references", prompt.References), ("concepts", prompt.Concepts) })
        {
            if (texts.Count == 0)
                continue;
            row.WriteStartArray(name);
            foreach (var text in texts)
                row.WriteStringValue(text);
            row.WriteEndArray();
        }
        row.WriteEndObject();
    }

    private static Prompt Parse(string json, string place)
    {
        try
        {
            using var row = JsonDocument.Parse(json);
            var id = Field(row.RootElement, "id", place);
            var isChat = row.RootElement.TryGetProperty("messages", out var messages);
            if (isChat && row.RootElement.TryGetProperty("text", out _))
                throw new DfpoException("prompts/malformed", $"{place}: there are both 'text' and 'messages'; a prompt is one of them.");
            var prompt = isChat
                ? ChatPrompts.Create(id, messages.GetRawText(), $"{place}: field 'messages'")
                : new Prompt(id, Field(row.RootElement, "text", place));
            return prompt with
            {
                References = List(row.RootElement, "references", place),
                Concepts = List(row.RootElement, "concepts", place),
            };
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or ArgumentException)
        {
            throw new DfpoException("prompts/malformed", $"{place}: not valid JSON ({e.Message}).", e);
        }
    }

    private static string Field(JsonElement row, string name, string place)
    {
        if (row.ValueKind != JsonValueKind.Object)
            throw new DfpoException("prompts/malformed", $"{place}: each line must be a JSON object with the fields 'id' and 'text'.");
        if (!row.TryGetProperty(name, out var value) || value.ValueKind != JsonValueKind.String)
            throw new DfpoException("prompts/malformed", $"{place}: field '{name}' is absent or not a string.");
        var text = Text(value, name, place);
        return string.IsNullOrWhiteSpace(text) ? throw new DfpoException("prompts/empty", $"{place}: field '{name}' is empty.") : text;
    }

    private static string[] List(JsonElement row, string name, string place)
    {
        if (!row.TryGetProperty(name, out var list))
            return [];
        return list.ValueKind == JsonValueKind.Array && list.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String)
            ? [.. list.EnumerateArray().Select(item => Text(item, name, place))]
            : throw new DfpoException("prompts/malformed", $"{place}: field '{name}' must be a list of strings.");
    }

    private static string Text(JsonElement value, string name, string place)
    {
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException e)
        {
            // Half of a surrogate pair or broken UTF-8: valid JSON by its grammar, but no text.
            throw new DfpoException("prompts/malformed", $"{place}: field '{name}' is not valid Unicode text.", e);
        }
    }

    private sealed record Stream(ulong Seed, EpochOrder Order);
}
