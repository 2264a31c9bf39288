using System.Text.Json;
using System.Text.Json.Nodes;
using DfPO.Host.Runs;

namespace DfPO.Host.Studies;

/// <summary>
/// Why a trial has no result and will not get one by itself. It lies in the trial's folder, beside the run's; a run that has a result is
/// finished whatever it says.
/// </summary>
/// <param name="Status">Stopped or failed.</param>
/// <param name="Note">The reason.</param>
internal sealed record TrialOutcome(TrialStatus Status, string Note)
{
    private const string Name = "outcome.json";

    /// <summary>The file of a trial's folder.</summary>
    public static string FileIn(string folder) => Path.Combine(folder, Name);

    /// <summary>Reads it; null where there is none, or none that can be read.</summary>
    /// <param name="folder">The trial's folder, or any other that holds a run's.</param>
    public static TrialOutcome? Read(string folder)
    {
        try
        {
            return
                File.Exists(FileIn(folder))
                && JsonNode.Parse(File.ReadAllText(FileIn(folder))) is JsonObject json
                && Enum.TryParse<TrialStatus>((string?)json["status"], out var status)
                ? new(status, (string?)json["note"] ?? "")
                : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>Writes it.</summary>
    public void Write(string folder)
    {
        Directory.CreateDirectory(folder);
        RunFolder.WriteJson(FileIn(folder), new JsonObject { ["status"] = Status.ToString(), ["note"] = Note });
    }
}
