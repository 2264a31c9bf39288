using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using DfPO.Actors.Configuration;
using DfPO.Actors.Experiments;
using DfPO.Actors.Weights;
using DfPO.Models;
using DfPO.Tasks.Rewards;

namespace DfPO.Host.Runs;

/// <summary>
/// What a run is made of beside its options: the content of <c>inputs.json</c>, written when the run begins. Whoever goes on with the run
/// has the same files, or is told which one is another.
/// </summary>
/// <param name="Id">Identity of the run.</param>
/// <param name="Digests">SHA-256 of each file or folder, by the key that names it.</param>
internal sealed record RunInputs(string Id, IReadOnlyDictionary<string, string> Digests)
{
    private const string Name = "inputs.json";
    private const string PolicyKey = "model.policy";
    private const string RewardKey = "task.reward-model";

    /// <summary>Writes down what a new run is made of, or compares it with what was written.</summary>
    /// <exception cref="DfpoException"><c>run/inputs</c>, naming each key whose file is another; <c>run/corrupt</c>.</exception>
    public static RunIdentity Require(RunFolder folder, ExperimentConfig config)
    {
        var now = Of(config);
        var inputs = Saved(folder) ?? Create(folder, now);
        inputs.Compare(now, folder);
        return new(inputs.Id, now[PolicyKey], now.GetValueOrDefault(RewardKey, ""));
    }

    /// <summary>Compares what a run was made of with what there is now; a run of an earlier version has nothing to compare.</summary>
    /// <exception cref="DfpoException">See <see cref="Require"/>.</exception>
    public static void Check(RunFolder folder, ExperimentConfig config) => Saved(folder)?.Compare(Of(config), folder);

    private void Compare(IReadOnlyDictionary<string, string> now, RunFolder folder)
    {
        string[] others =
        [
            .. Digests
                .Keys.Union(now.Keys)
                .Where(key => Digests.GetValueOrDefault(key) != now.GetValueOrDefault(key))
                .Order(StringComparer.Ordinal)
                .Select(key => $"'{key}' {Difference(Digests.GetValueOrDefault(key), now.GetValueOrDefault(key))}"),
        ];
        if (others.Length > 0)
            throw new DfpoException(
                "run/inputs",
                $"'{folder.Path}' was begun with other files: {string.Join("; ", others)}. Put them back, or start a new run."
            );
    }

    private static string Difference(string? then, string? now) =>
        then is null ? "named none then"
        : now is null ? "names none now"
        : $"has digest {now[..12]} and had {then[..12]}";

    private static Dictionary<string, string> Of(ExperimentConfig config)
    {
        var task = config.Task;
        var digests = new Dictionary<string, string> { [PolicyKey] = ModelFingerprint.Of(config.Model.Policy) };
        if (task.Reward.Uses(RewardKind.Classifier))
            digests[RewardKey] = ModelFingerprint.Of(task.RewardModel);
        foreach (
            var (key, path) in new[]
            {
                ("task.train-prompts", task.TrainPrompts),
                ("task.validation-prompts", task.ValidationPrompts),
                ("task.test-prompts", task.TestPrompts),
                ("task.preferences", task.Preferences),
                ("task.data.path", task.Data.Path),
            }.Concat(RewardFiles.All(task.Reward).Select(file => ($"task.reward.{file.Key}", file.Value)))
        )
            // Whoever reads a file that is not there says so.
            if (path.Length > 0 && Path.Exists(path))
                digests[key] = Digest(path);
        return digests;
    }

    private static string Digest(string path)
    {
        using var all = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (
            var file in File.Exists(path)
                ? [path]
                : Directory.GetFiles(path, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal).ToArray()
        )
        {
            using var stream = File.OpenRead(file);
            all.AppendData(Encoding.UTF8.GetBytes(Path.GetRelativePath(path, file) + "\n"));
            all.AppendData(SHA256.HashData(stream));
        }
        return Convert.ToHexStringLower(all.GetHashAndReset());
    }

    private static RunInputs? Saved(RunFolder folder)
    {
        var path = Path.Combine(folder.Path, Name);
        if (!File.Exists(path))
            return null;
        try
        {
            var json = JsonNode.Parse(File.ReadAllText(path));
            var digests = json?["digests"] as JsonObject;
            return (string?)json?["run"] is { Length: > 0 } id && digests is not null && id.All(char.IsAsciiLetterOrDigit)
                ? new(id, digests.ToDictionary(pair => pair.Key, pair => (string?)pair.Value ?? ""))
                : throw new JsonException("it lacks 'run' or 'digests'");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new DfpoException(
                "run/corrupt",
                $"'{path}' cannot be read ({e.Message}): put an undamaged copy back, or delete it to go on without a comparison.",
                e
            );
        }
    }

    /// <summary>A learner and its standby may come at the same time: one of them writes, and both read that.</summary>
    private static RunInputs Create(RunFolder folder, Dictionary<string, string> digests)
    {
        var id = Guid.NewGuid().ToString("N");
        var (path, partial) = (Path.Combine(folder.Path, Name), Path.Combine(folder.Path, $"{Name}.{id}.partial"));
        RunFolder.WriteJson(
            partial,
            new JsonObject
            {
                ["run"] = id,
                ["digests"] = new JsonObject(digests.Select(pair => KeyValuePair.Create(pair.Key, (JsonNode?)pair.Value))),
            }
        );
        try
        {
            File.Move(partial, path, overwrite: false);
        }
        catch (IOException) when (File.Exists(path))
        {
            File.Delete(partial);
        }
        return Saved(folder)!;
    }
}
