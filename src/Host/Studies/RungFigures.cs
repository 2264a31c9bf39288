using System.Text.Json;
using System.Text.Json.Nodes;

namespace DfPO.Host.Studies;

/// <summary>A figure of a run at a rung of its iterations.</summary>
internal static class RungFigures
{
    /// <summary>
    /// The last value up to an iteration of a figure in a run's <c>metrics.jsonl</c>: null while the run has not gone beyond the iteration (what belongs to
    /// it may yet be written), NaN when there is none.
    /// </summary>
    public static double? At(IEnumerable<string> lines, string metric, int iteration, bool ended)
    {
        var (value, beyond) = (double.NaN, ended);
        foreach (var line in lines.Select(Parse).OfType<JsonObject>())
        {
            if ((int?)line["iteration"] > iteration)
                beyond = true;
            else if (line[metric] is { } found)
                value = (double)found;
        }
        return beyond ? value : null;
    }

    // The last line may be in the middle of being written.
    private static JsonNode? Parse(string line)
    {
        try
        {
            return JsonNode.Parse(line);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
