using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using DfPO.Actors.Files;
using DfPO.Models;
using DfPO.Models.Files;

namespace DfPO.Host.Runs;

/// <summary>A file of one JSON object a line.</summary>
internal static class JsonLinesFile
{
    /// <summary>Texts stay readable: only what JSON itself demands is escaped.</summary>
    public static JsonSerializerOptions Format { get; } = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Appends objects, each whole before the next begins.</summary>
    public static void Append(string path, IEnumerable<JsonObject> lines) =>
        DurableFile.Append(path, string.Concat(lines.Select(line => line.ToJsonString(Format) + "\n")));

    /// <summary>The objects of a file that somebody may be writing at; a last line that is cut short is left out.</summary>
    /// <exception cref="DfpoException"><c>run/corrupt</c>: another line is not an object.</exception>
    public static IReadOnlyList<JsonObject> Whole(string path)
    {
        using var file = new StreamReader(
            new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete)
        );
        var text = file.ReadToEnd();
        return
        [
            .. JsonLines.Read(
                text[..(text.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries),
                Parse,
                (number, e) =>
                    new("run/corrupt", $"'{path}' line {number} is not a JSON object: put an undamaged copy back, or delete the file.", e)
            ),
        ];
    }

    /// <summary>Keeps the lines that hold, in their order; a last line that a crash cut short goes too.</summary>
    /// <exception cref="DfpoException"><c>run/corrupt</c>: another line is not an object.</exception>
    public static void Keep(string path, Func<JsonObject, bool> holds)
    {
        if (!File.Exists(path))
            return;
        var texts = File.ReadAllLines(path);
        var lines = JsonLines.Read(texts, Parse, (number, e) =>
            new("run/corrupt", $"'{path}' line {number} is not a JSON object: repair or remove the line, then resume.", e)
        );
        DurableFile.Write(path, string.Concat(texts.Zip(lines).Where(line => holds(line.Second)).Select(line => line.First + "\n")));
    }

    /// <summary>The object of a line.</summary>
    /// <exception cref="JsonException">It has none.</exception>
    public static JsonObject Parse(string line) => JsonNode.Parse(line) as JsonObject ?? throw new JsonException("it is not an object");
}
