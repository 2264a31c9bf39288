using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using DfPO.Models;

namespace DfPO.Host.Dashboard;

/// <summary>What happens in runs' folders, as server-sent events.</summary>
internal static class RunEvents
{
    private const int Most = 1 << 20;
    private static readonly TimeSpan s_every = TimeSpan.FromMilliseconds(400);
    private static readonly TimeSpan s_alive = TimeSpan.FromSeconds(15);

    /// <summary>Follows some runs.</summary>
    /// <param name="runs">Where they are.</param>
    /// <param name="from">The runs, each behind the bytes of its metrics that are known, as <c>offset:id</c>.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <returns>
    /// Events <c>lines</c> with new lines of metrics, <c>changed</c> with the name of what else has changed, and <c>alive</c> where nothing
    /// happens for a while.
    /// </returns>
    public static async IAsyncEnumerable<SseItem<string>> Follow(
        RunShelf runs,
        IReadOnlyList<string> from,
        [EnumeratorCancellation] CancellationToken cancellation
    )
    {
        var followed = from.Select(text => text.Split(':', 2))
            .Where(parts => parts.Length == 2 && long.TryParse(parts[0], out var offset) && offset >= 0)
            .Select(parts => (Id: parts[1], Offset: long.Parse(parts[0]), Folder: runs.Folder(parts[1])))
            .ToArray();
        var stamps = followed.Select(run => (Cluster: Length(run.Folder.Cluster), Result: File.Exists(run.Folder.Result))).ToArray();
        var silent = TimeSpan.Zero;
        yield return new("", "alive");
        while (!cancellation.IsCancellationRequested)
        {
            for (var i = 0; i < followed.Length; i++)
            {
                var (id, offset, folder) = followed[i];
                var (text, next) = NewLines(folder.Metrics, offset);
                if (next < offset)
                    yield return Changed(id, "metrics");
                followed[i].Offset = next;
                if (text.Length > 0)
                {
                    silent = TimeSpan.Zero;
                    yield return new(
                        new JsonObject
                        {
                            ["id"] = id,
                            ["offset"] = next,
                            ["lines"] = new JsonArray([
                                .. text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(Parsed).OfType<JsonObject>(),
                            ]),
                        }.ToJsonString(),
                        "lines"
                    );
                }
                var now = (Cluster: Length(folder.Cluster), Result: File.Exists(folder.Result));
                if (now.Cluster != stamps[i].Cluster)
                    yield return Changed(id, "cluster");
                if (now.Result != stamps[i].Result)
                    yield return Changed(id, "result");
                stamps[i] = now;
            }
            try
            {
                await Task.Delay(s_every, cancellation);
            }
            catch (OperationCanceledException)
            {
                yield break;
            }
            silent += s_every;
            if (silent >= s_alive)
            {
                silent = TimeSpan.Zero;
                yield return new("", "alive");
            }
        }
    }

    /// <summary>Where the last whole line of a file ends; 0 of one that is not there.</summary>
    internal static long End(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            var from = Math.Max(0, file.Length - Most);
            return NewLines(path, from).Next;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return 0;
        }
    }

    // An offset that is within a line, or a line of another program.
    private static JsonObject? Parsed(string line)
    {
        try
        {
            return JsonNode.Parse(line) as JsonObject;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>The whole lines of a file behind an offset, a megabyte at most, and where they end.</summary>
    /// <returns>No lines and offset 0 of a file that became shorter: it was written anew.</returns>
    internal static (string Lines, long Next) NewLines(string path, long offset)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            if (file.Length < offset)
                return ("", 0);
            file.Seek(offset, SeekOrigin.Begin);
            var bytes = new byte[(int)Math.Min(file.Length - offset, Most)];
            var read = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            var end = Array.LastIndexOf(bytes, (byte)'\n', Math.Max(0, read - 1)) + 1;
            return read == 0 ? ("", offset) : (Encoding.UTF8.GetString(bytes, 0, end), offset + end);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return ("", 0);
        }
    }

    private static long Length(string path) => new FileInfo(path) is { Exists: true } file ? file.Length : -1;

    private static SseItem<string> Changed(string id, string what) =>
        new(new JsonObject { ["id"] = id, ["what"] = what }.ToJsonString(), "changed");
}
