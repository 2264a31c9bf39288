using DfPO.Actors.Files;
using DfPO.Host.Runs;

namespace DfPO.Host.Studies;

/// <summary>A figure of a run at a rung of its iterations.</summary>
internal static class RungFigures
{
    /// <summary>
    /// The last value up to an iteration of a figure in a run's <c>metrics.jsonl</c>: null while the run has not gone beyond the iteration
    /// (what belongs to it may yet be written), NaN when there is none. Its last line may be in the middle of being written.
    /// </summary>
    /// <exception cref="Models.DfpoException"><c>run/corrupt</c>: another line is not a JSON object.</exception>
    public static double? At(IReadOnlyList<string> lines, string metric, int iteration, bool ended)
    {
        var (value, beyond) = (double.NaN, ended);
        var read = JsonLines.Read(lines, JsonLinesFile.Parse, (number, e) =>
            new("run/corrupt", $"Line {number} of a run's metrics.jsonl is not a JSON object ({e.Message}): put an undamaged copy back.", e)
        );
        foreach (var line in read)
        {
            if ((int?)line["iteration"] > iteration)
                beyond = true;
            else if (line[metric] is { } found)
                value = (double)found;
        }
        return beyond ? value : null;
    }
}
