using System.Text.Json;
using System.Text.Json.Nodes;

namespace DfPO.Host.Runs;

/// <summary>What a list shows of a kept continuation.</summary>
/// <param name="Index">Its place in the iteration, from 0.</param>
/// <param name="Reward">Its reward; NaN where it is not known.</param>
/// <param name="Kl">Mean KL of the policy to the reference, nats a token; NaN where it is not known.</param>
/// <param name="Length">Tokens.</param>
/// <param name="Repetition">Share of the token pairs that were there before.</param>
/// <param name="Behaviour">The policy that drew it.</param>
/// <param name="Prompt">The prompt.</param>
/// <param name="Continuation">The text.</param>
internal sealed record RolloutSummary(
    int Index,
    double Reward,
    double Kl,
    int Length,
    double Repetition,
    string Behaviour,
    string Prompt,
    string Continuation
)
{
    /// <summary>What a list may be sorted by.</summary>
    public static IReadOnlyList<string> Orders { get; } = ["index", "reward", "kl", "length", "repetition"];

    /// <summary>Reads the beginning of each line, up to its tokens.</summary>
    /// <exception cref="JsonException">A line is not as <see cref="RolloutLine"/> writes it.</exception>
    public static IReadOnlyList<RolloutSummary> Read(ReadOnlySpan<byte> lines)
    {
        var summaries = new List<RolloutSummary>();
        foreach (var range in Lines(lines))
            summaries.Add(Parse(lines[range]));
        return summaries;
    }

    /// <summary>All that is kept of one continuation.</summary>
    /// <returns>Null where there is none of that place.</returns>
    public static JsonObject? Whole(ReadOnlySpan<byte> lines, int index)
    {
        var ranges = Lines(lines);
        return index >= 0 && index < ranges.Count ? JsonNode.Parse(lines[ranges[index]]) as JsonObject : null;
    }

    /// <summary>Some of the continuations, in an order.</summary>
    /// <param name="all">All of an iteration.</param>
    /// <param name="order">One of <see cref="Orders"/>; what has no such figure comes last.</param>
    /// <param name="descending">Whether the greatest come first.</param>
    /// <param name="search">What prompt or continuation has in it, whatever the case; empty for all.</param>
    public static IReadOnlyList<RolloutSummary> Select(
        IReadOnlyList<RolloutSummary> all,
        string order,
        bool descending,
        string search
    )
    {
        var found = all.Where(one =>
            search.Length == 0
            || one.Continuation.Contains(search, StringComparison.OrdinalIgnoreCase)
            || one.Prompt.Contains(search, StringComparison.OrdinalIgnoreCase)
        );
        double Key(RolloutSummary one) =>
            order switch
            {
                "reward" => one.Reward,
                "kl" => one.Kl,
                "length" => one.Length,
                "repetition" => one.Repetition,
                _ => one.Index,
            };
        var known = found.OrderBy(one => double.IsNaN(Key(one)));
        return [.. (descending ? known.ThenByDescending(Key) : known.ThenBy(Key)).ThenBy(one => one.Index)];
    }

    private static List<Range> Lines(ReadOnlySpan<byte> lines)
    {
        var ranges = new List<Range>();
        for (var start = 0; start < lines.Length;)
        {
            var length = lines[start..].IndexOf((byte)'\n');
            var end = length < 0 ? lines.Length : start + length;
            ranges.Add(start..end);
            start = end + 1;
        }
        return ranges;
    }

    private static RolloutSummary Parse(ReadOnlySpan<byte> line)
    {
        var (index, reward, kl, length, repetition) = (0, double.NaN, double.NaN, 0, double.NaN);
        var (behaviour, prompt, continuation) = ("", "", "");
        var reader = new Utf8JsonReader(line);
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            throw new JsonException("a line is not an object");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString();
            if (name == "tokens")
                break;
            reader.Read();
            switch (name)
            {
                case "index":
                    index = reader.GetInt32();
                    break;
                case "reward":
                    reward = Figure(ref reader);
                    break;
                case "kl":
                    kl = Figure(ref reader);
                    break;
                case "length":
                    length = reader.GetInt32();
                    break;
                case "repetition":
                    repetition = Figure(ref reader);
                    break;
                case "behaviour":
                    behaviour = reader.GetString()!;
                    break;
                case "prompt":
                    prompt = reader.GetString()!;
                    break;
                case "continuation":
                    continuation = reader.GetString()!;
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }
        return new(index, reward, kl, length, repetition, behaviour, prompt, continuation);
    }

    private static double Figure(ref Utf8JsonReader reader) =>
        reader.TokenType == JsonTokenType.Null ? double.NaN : reader.GetDouble();
}
