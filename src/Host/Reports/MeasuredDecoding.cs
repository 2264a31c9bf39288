using System.Text.Json;
using System.Text.Json.Nodes;
using DfPO.Host.Runs;
using DfPO.Models;
using DfPO.Tasks.Metrics;

namespace DfPO.Host.Reports;

/// <summary>One decoding of a finished policy, as a line of <c>dfpo eval --json</c> tells it.</summary>
/// <param name="Source">Name of the run or checkpoint.</param>
/// <param name="Policy">The decoding policy.</param>
/// <param name="Name">The decoding in words, with its tolerance.</param>
/// <param name="Line">The line.</param>
internal sealed record MeasuredDecoding(string Source, string Policy, string Name, JsonObject Line)
{
    /// <summary>A figure with its interval; NaN where the line has none.</summary>
    public Interval this[string metric] =>
        (double?)Line[metric] is not { } value ? Interval.Of(double.NaN)
        : Line["intervals"]?[metric] is JsonArray { Count: 2 } ends ? new(value, (double)ends[0]!, (double)ends[1]!)
        : Interval.Of(value);

    /// <summary>Reads a file.</summary>
    /// <exception cref="DfpoException"><c>report/decodings</c>: a line is not one of <c>dfpo eval --json</c>, or there is no such
    /// file.</exception>
    public static IEnumerable<MeasuredDecoding> Read(string path)
    {
        if (!File.Exists(path))
            throw new DfpoException(
                "report/decodings",
                $"'{path}' does not exist: write it with 'dfpo eval RUN --tolerance 0,0.1 --json > {path}'."
            );
        foreach (var (index, text) in File.ReadAllLines(path).Index().Where(line => line.Item.Length > 0))
            yield return Parse(text, $"'{path}' line {index + 1}");
    }

    private static MeasuredDecoding Parse(string text, string place)
    {
        try
        {
            if (
                JsonNode.Parse(text) is JsonObject line
                && (string?)line["source"] is { } source
                && (string?)line["decoding"] is { } name
                && (string?)line["policy"] is { } policy
                && (double?)line["reward"] is not null
                && (double?)line["kl"] is not null
            )
                return new(Path.GetFileName(Path.GetFullPath(source).TrimEnd('/')), MetricNames.Symbol(policy), name, line);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            throw Refused(place, e);
        }
        throw Refused(place, null);
    }

    private static DfpoException Refused(string place, Exception? inner) =>
        new(
            "report/decodings",
            $"{place} is not one of 'dfpo eval --json', with source, decoding, policy, reward and kl: give a file of such lines.",
            inner
        );
}
