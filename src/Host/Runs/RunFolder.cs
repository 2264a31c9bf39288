using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using DfPO.Actors.Configuration;
using DfPO.Actors.Experiments;
using DfPO.Host.Configuration;
using DfPO.Models;
using DfPO.Models.Files;

namespace DfPO.Host.Runs;

/// <summary>
/// The folder that holds all of a run: configuration, versions, metrics, samples, journal, result, checkpoints and the best weights.
/// </summary>
public sealed class RunFolder
{
    private const string ConfigName = "experiment.conf";

    private RunFolder(string path) => Path = path;

    /// <summary>Absolute path.</summary>
    public string Path { get; }

    /// <summary>Folder of the resumable states, which the orchestrator fills.</summary>
    public string Checkpoints => System.IO.Path.Combine(Path, "checkpoints");

    /// <summary>
    /// Checkpoint folders of the weights with the best validation reward, one an iteration, which the orchestrator fills.
    /// </summary>
    public string Best => System.IO.Path.Combine(Path, "best");

    /// <summary>The resolved configuration.</summary>
    public string Config => System.IO.Path.Combine(Path, ConfigName);

    /// <summary>One line an iteration and an evaluation.</summary>
    public string Metrics => System.IO.Path.Combine(Path, "metrics.jsonl");

    /// <summary>One line a continuation of an evaluation.</summary>
    public string Samples => System.IO.Path.Combine(Path, "samples.jsonl");

    /// <summary>TensorBoard's event files, where <c>tracking</c> asks for them.</summary>
    public string Tensorboard => System.IO.Path.Combine(Path, "tensorboard");

    /// <summary>One line for each thing that happened to a worker.</summary>
    public string Cluster => System.IO.Path.Combine(Path, "cluster.jsonl");

    /// <summary>The training continuations that are kept.</summary>
    internal KeptRollouts Rollouts => field ??= new(System.IO.Path.Combine(Path, "rollouts"));

    /// <summary>The before/after figures, once the run has ended.</summary>
    public string Result => System.IO.Path.Combine(Path, "result.json");

    /// <summary>Digest of the final weights; null before the run has ended.</summary>
    /// <exception cref="DfpoException"><c>run/corrupt</c>.</exception>
    public string? FinalDigest()
    {
        if (!File.Exists(Result))
            return null;
        try
        {
            return (string?)JsonNode.Parse(File.ReadAllText(Result))?["weights_digest"]
                ?? throw new JsonException("it has no weights_digest");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new DfpoException(
                "run/corrupt",
                $"'{Result}' cannot be read ({e.Message}): put an undamaged copy back, or delete it to do without the final weights' digest.",
                e
            );
        }
    }

    /// <summary>
    /// Starts <c>{root}/{name}-{yyyyMMdd-HHmmss}</c> with configuration and versions in it; a name that is taken gets a number. It appears
    /// whole or not at all, so that of two runs that start in the same second each has a folder of its own.
    /// </summary>
    /// <exception cref="DfpoException"><c>run/folder</c>: it cannot be written there.</exception>
    public static RunFolder Create(string root, ExperimentConfig config, TimeProvider? time = null)
    {
        var name = $"{config.Name}-{(time ?? TimeProvider.System).GetLocalNow().ToString("yyyyMMdd-HHmmss", CultureInfo.InvariantCulture)}";
        var partial = System.IO.Path.GetFullPath(System.IO.Path.Combine(root, $".{name}.{Guid.NewGuid():N}.partial"));
        try
        {
            var folder = new RunFolder(partial);
            Directory.CreateDirectory(folder.Checkpoints);
            folder.SaveConfig(config);
            WriteJson(System.IO.Path.Combine(partial, "versions.json"), RunVersions.Of(config));
            return new RunFolder(Place(partial, System.IO.Path.GetFullPath(System.IO.Path.Combine(root, name))));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DfpoException(
                "run/folder",
                $"'{root}' cannot hold a run's folder ({e.Message.TrimEnd('.')}): make room or give '--runs-dir' a folder that can be written.",
                e
            );
        }
    }

    /// <summary>A folder that is there already has files, so that no move replaces it.</summary>
    private static string Place(string partial, string path)
    {
        for (var n = 1; ; n++)
        {
            var place = n == 1 ? path : $"{path}-{n}";
            if (System.IO.Path.Exists(place))
                continue;
            try
            {
                Directory.Move(partial, place);
                return place;
            }
            catch (IOException) when (System.IO.Path.Exists(place))
            {
                // Another run was faster.
            }
        }
    }

    /// <summary>Writes every key of the run down, so that whoever goes on with it knows what it was told.</summary>
    public void SaveConfig(ExperimentConfig config)
    {
        var text = $"# Every key of this run, as it was resolved when it was started or resumed.\n{ResolvedConfig.Write(config)}";
        DurableFile.Write(Config, text);
    }

    /// <summary>Opens the folder of a run that is to go on.</summary>
    /// <exception cref="DfpoException"><c>config/resume</c>: not a run's folder.</exception>
    public static RunFolder Open(string path)
    {
        var folder = new RunFolder(System.IO.Path.GetFullPath(path));
        return File.Exists(folder.Config)
            ? folder
            : throw new DfpoException(
                "config/resume",
                $"'{path}' is not the folder of a run: it has no {ConfigName}. Give a folder such as runs/imdb-tiny-20260101-120000."
            );
    }

    /// <summary>Whether a folder is that of a run.</summary>
    public static bool IsOne(string path) => File.Exists(System.IO.Path.Combine(path, ConfigName));

    /// <summary>
    /// The run that a folder is, or that keeps this checkpoint among its best weights or as its final ones; null of any other.
    /// </summary>
    public static RunFolder? Around(string folder)
    {
        var full = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(folder));
        var parents = new[]
        {
            full,
            System.IO.Path.GetDirectoryName(full),
            System.IO.Path.GetDirectoryName(System.IO.Path.GetDirectoryName(full)),
        };
        return parents
            .OfType<string>()
            .Where(IsOne)
            .Select(Open)
            .FirstOrDefault(run =>
                full == run.Path || full == new RunCheckpoints(run.Path).FinalFolder || System.IO.Path.GetDirectoryName(full) == run.Best
            );
    }

    /// <summary>Checkpoint folder of the policy with the best validation reward so far.</summary>
    /// <exception cref="DfpoException"><c>run/no-policy</c>: the run has kept none yet.</exception>
    public string BestPolicy()
    {
        var checkpoints = new RunCheckpoints(Path);
        return checkpoints.Newest() is { } state && checkpoints.BestFolder(state.BestIteration) is var best && Directory.Exists(best)
            ? best
            : throw new DfpoException(
                "run/no-policy",
                $"The run in '{Path}' has kept no policy yet: it does so once it has finished its first iteration."
            );
    }

    /// <summary>Forgets what was written of iterations after this one, so that they can be written again.</summary>
    public void KeepUpTo(int iteration)
    {
        bool Holds(JsonObject line) => line["iteration"]?.GetValue<int>() <= iteration;
        JsonLinesFile.Keep(Metrics, Holds);
        JsonLinesFile.Keep(Samples, Holds);
        Rollouts.KeepUpTo(iteration);
    }

    /// <summary>The run has gone on: a result from before no longer is its result.</summary>
    public void GoesOn() => File.Delete(Result);

    /// <summary>Whether nothing is left to do: all iterations are done, and the result is there.</summary>
    public bool IsFinished(ExperimentConfig config) =>
        File.Exists(Result) && (new RunCheckpoints(Path).Newest()?.Iteration ?? config.Iterations) >= config.Iterations;

    internal static void WriteJson(string path, JsonObject json)
    {
        DurableFile.Write(path, json.ToJsonString(new JsonSerializerOptions(JsonLinesFile.Format) { WriteIndented = true }) + "\n");
    }
}
