using System.Diagnostics;
using System.Text.Json;
using DfPO.Models;

namespace DfPO.Tasks.Metrics;

/// <summary>
/// SPICE (Anderson et al., 2016) by its authors' program, which the user has to bring: <c>spice-1.0.jar</c> with its <c>lib</c> folder
/// (CoreNLP models), and Java.
/// </summary>
/// <remarks>There is no SPICE without the program: no approximation stands in for it.</remarks>
/// <param name="jar">Path of <c>spice-1.0.jar</c>.</param>
/// <param name="java">The Java command.</param>
/// <param name="timeout">Longest run; an hour when null.</param>
public sealed class Spice(string jar, string java = "java", TimeSpan? timeout = null)
{
    /// <summary>F over all scene-graph tuples for each item, in [0, 1]; NaN where neither text has a tuple.</summary>
    /// <param name="items">Hypothesis and references of each item, as plain text.</param>
    /// <exception cref="DfpoException"><c>spice/missing</c>: no jar or no Java; <c>spice/failed</c>: the program failed, hung, or wrote
    /// something else.</exception>
    public IReadOnlyList<double> Score(IReadOnlyList<(string Hypothesis, IReadOnlyList<string> References)> items)
    {
        if (!File.Exists(jar))
            throw new DfpoException(
                "spice/missing",
                $"SPICE's program '{jar}' does not exist: download SPICE 1.0 from its authors and name spice-1.0.jar, or leave SPICE out of the metrics."
            );
        var folder = Directory.CreateTempSubdirectory("dfpo-spice-");
        try
        {
            string input = Path.Combine(folder.FullName, "input.json"),
                output = Path.Combine(folder.FullName, "output.json");
            File.WriteAllText(
                input,
                JsonSerializer.Serialize(
                    items.Select(
                        (item, id) =>
                            new
                            {
                                image_id = id,
                                test = item.Hypothesis,
                                refs = item.References,
                            }
                    )
                )
            );
            Run(input, output, folder.FullName);
            return Read(output, items.Count);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private void Run(string input, string output, string folder)
    {
        var start = new ProcessStartInfo(
            java,
            ["-jar", "-Xmx8G", Path.GetFullPath(jar), input, "-cache", folder, "-out", output, "-subset", "-silent"]
        )
        {
            WorkingDirectory = Path.GetDirectoryName(Path.GetFullPath(jar)),
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        };
        using var process = Start(start);
        var (errors, _) = (process.StandardError.ReadToEndAsync(), process.StandardOutput.ReadToEndAsync());
        if (!process.WaitForExit(timeout ?? TimeSpan.FromHours(1)))
        {
            process.Kill(entireProcessTree: true);
            throw new DfpoException(
                "spice/failed",
                $"SPICE ('{jar}') did not end within {timeout ?? TimeSpan.FromHours(1)} and was stopped: give it fewer items or more time."
            );
        }
        if (process.ExitCode != 0)
            throw new DfpoException(
                "spice/failed",
                $"SPICE ('{jar}') ended with exit code {process.ExitCode}: {Tail(errors.GetAwaiter().GetResult())}"
            );
    }

    private Process Start(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new DfpoException("spice/missing", $"'{java}' could not be started ({e.Message}): SPICE needs Java 8 or later.", e);
        }
    }

    private double[] Read(string output, int count)
    {
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(output));
            var scores = new double?[count];
            foreach (var item in document.RootElement.EnumerateArray())
                scores[item.GetProperty("image_id").GetInt32()] = item.GetProperty("scores").GetProperty("All").GetProperty("f")
                    is { ValueKind: JsonValueKind.Number } f
                    ? f.GetDouble()
                    : double.NaN;
            return Array.TrueForAll(scores, score => score is not null)
                ? [.. scores.Select(score => score!.Value)]
                : throw new DfpoException("spice/failed", $"SPICE ('{jar}') scored {scores.Count(s => s is not null)} of {count} items.");
        }
        catch (Exception e)
            when (e is IOException or JsonException or KeyNotFoundException or InvalidOperationException or IndexOutOfRangeException)
        {
            throw new DfpoException("spice/failed", $"SPICE ('{jar}') wrote no result that can be read: {e.Message}", e);
        }
    }

    private static string Tail(string text) => text.Length <= 500 ? text.Trim() : "... " + text[^500..].Trim();
}
