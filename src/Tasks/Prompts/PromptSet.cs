using System.Text.Json;
using DfPO.Models;

namespace DfPO.Tasks.Prompts;

/// <summary>A prompt of a task.</summary>
/// <param name="Id">Unique within its split.</param>
/// <param name="Text">The prompt.</param>
public sealed record Prompt(string Id, string Text);

/// <summary>The prompts of one split, from a .jsonl file with fields <c>id</c> and <c>text</c>.</summary>
public sealed class PromptSet(IReadOnlyList<Prompt> prompts)
{
    private Stream? _stream;

    /// <summary>In the file's order.</summary>
    public IReadOnlyList<Prompt> Prompts { get; } = prompts;

    /// <summary>Reads a file; blank lines are skipped.</summary>
    /// <exception cref="DfpoException"><c>prompts/missing</c>, <c>prompts/malformed</c>, <c>prompts/empty</c> or <c>prompts/duplicate</c>, with file and line.</exception>
    public static PromptSet Read(string path)
    {
        if (!File.Exists(path))
            throw new DfpoException("prompts/missing", $"Prompt file '{path}' does not exist: give a .jsonl file with one object {{\"id\": ..., \"text\": ...}} a line.");
        var prompts = new List<Prompt>();
        var lines = new Dictionary<string, int>();
        foreach (var (index, line) in File.ReadLines(path).Index())
        {
            if (string.IsNullOrWhiteSpace(line))
                continue;
            var place = $"'{path}', line {index + 1}";
            var prompt = Parse(line, place);
            if (!lines.TryAdd(prompt.Id, index + 1))
                throw new DfpoException("prompts/duplicate", $"{place}: the id '{prompt.Id}' stands already in line {lines[prompt.Id]}; ids must be unique within a file.");
            prompts.Add(prompt);
        }
        return prompts.Count > 0
            ? new PromptSet(prompts)
            : throw new DfpoException("prompts/empty", $"Prompt file '{path}' holds no prompt: write at least one line.");
    }

    /// <summary>
    /// The n-th prompt of an endless seeded stream that goes through a fresh permutation each epoch; a pure function, so the cursor is all there is to save.
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

    private static Prompt Parse(string json, string place)
    {
        try
        {
            using var row = JsonDocument.Parse(json);
            return new Prompt(Field(row.RootElement, "id", place), Field(row.RootElement, "text", place));
        }
        catch (JsonException e)
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
        return string.IsNullOrWhiteSpace(text)
            ? throw new DfpoException("prompts/empty", $"{place}: field '{name}' is empty.")
            : text;
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
