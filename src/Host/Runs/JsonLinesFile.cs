using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using DfPO.Models;

namespace DfPO.Host.Runs;

/// <summary>A file of one JSON object a line.</summary>
internal static class JsonLinesFile
{
    /// <summary>Texts stay readable: only what JSON itself demands is escaped.</summary>
    public static JsonSerializerOptions Format { get; } = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Appends objects, each whole before the next begins.</summary>
    public static void Append(string path, IEnumerable<JsonObject> lines) => File.AppendAllLines(path, lines.Select(line => line.ToJsonString(Format)));

    /// <summary>Keeps the lines that hold, in their order; a last line that a crash cut short goes too.</summary>
    /// <exception cref="DfpoException"><c>run/corrupt</c>: another line is not an object.</exception>
    public static void Keep(string path, Func<JsonObject, bool> holds)
    {
        if (!File.Exists(path))
            return;
        var lines = File.ReadAllLines(path);
        var kept = new List<string>();
        for (var i = 0; i < lines.Length; i++)
            if (Parse(path, lines[i], i, isLast: i == lines.Length - 1) is { } line && holds(line))
                kept.Add(lines[i]);
        File.WriteAllLines(path + ".partial", kept);
        File.Move(path + ".partial", path, overwrite: true);
    }

    private static JsonObject? Parse(string path, string line, int index, bool isLast)
    {
        try
        {
            return JsonNode.Parse(line) as JsonObject ?? throw new JsonException("not an object");
        }
        catch (JsonException) when (isLast)
        {
            return null;
        }
        catch (JsonException e)
        {
            throw new DfpoException("run/corrupt", $"'{path}' line {index + 1} is not a JSON object: repair or remove the line, then resume.", e);
        }
    }
}
