using System.Text.Json;
using DfPO.Models;

namespace DfPO.Learner.Guards;

/// <summary>A batch that a guard refused, as it is written down for a post-mortem.</summary>
/// <param name="Code">Code of the error.</param>
/// <param name="Reason">What was wrong.</param>
/// <param name="Iteration">The failed iteration, from 1.</param>
/// <param name="Place"><c>rollout</c>, or the epoch and minibatch, each from 1.</param>
/// <param name="Trajectories">The offending sequences.</param>
public sealed record Incident(string Code, string Reason, int Iteration, string Place, IReadOnlyList<Trajectory> Trajectories)
{
    private static readonly JsonSerializerOptions s_json = new()
    {
        WriteIndented = true,
        NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Converters = { new System.Text.Json.Serialization.JsonStringEnumConverter() },
    };

    /// <summary>Reads an incident back.</summary>
    public static Incident Read(string path) => JsonSerializer.Deserialize<Incident>(File.ReadAllText(path), s_json)!;

    /// <summary>Writes the incident into a folder, whole or not at all.</summary>
    /// <returns>The error to throw, which names the file.</returns>
    public DfpoException Record(string folder) => new(Code, Message(Write(folder)));

    /// <summary>Writes the incident into a folder, whole or not at all.</summary>
    /// <returns>The file.</returns>
    public string Write(string folder)
    {
        Directory.CreateDirectory(folder);
        var path = Path.Combine(folder, $"iteration-{Iteration:D5}-{Place.Replace(' ', '-')}-{Code.Split('/')[^1]}.json");
        // A name of its own: two learners may be told one folder.
        var partial = $"{path}.{Path.GetRandomFileName()}.partial";
        File.WriteAllText(partial, JsonSerializer.Serialize(this, s_json));
        File.Move(partial, path, overwrite: true);
        return path;
    }

    /// <summary>What happened, and the file that the batch was written to.</summary>
    public string Message(string path) => $"Iteration {Iteration}, {Place}: {Reason}. The offending batch is in '{path}'.";
}
