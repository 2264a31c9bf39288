using System.Text.Json;
using DfPO.Models;

namespace DfPO.Benchmarks;

/// <summary>The figures of one sitting, to compare others with.</summary>
/// <param name="Machine">Processor and threads.</param>
/// <param name="Version">Version and commit of the program.</param>
/// <param name="Date">The day, <c>yyyy-MM-dd</c>.</param>
/// <param name="Figures">What was measured.</param>
internal sealed record Baseline(string Machine, string Version, string Date, IReadOnlyList<Figure> Figures)
{
    /// <summary>What counts as slower.</summary>
    public const double Slower = 0.95;

    private static readonly JsonSerializerOptions s_json = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        RespectRequiredConstructorParameters = true,
        UnmappedMemberHandling = System.Text.Json.Serialization.JsonUnmappedMemberHandling.Disallow,
    };

    /// <summary>Reads a file that <see cref="Save"/> wrote.</summary>
    /// <exception cref="DfpoException"><c>benchmark/baseline</c>.</exception>
    public static Baseline Load(string file)
    {
        try
        {
            return JsonSerializer.Deserialize<Baseline>(File.ReadAllText(file), s_json) ?? throw new JsonException("it is empty");
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new DfpoException("benchmark/baseline", $"{file} holds no figures of this program ({e.Message}); write one with --json.");
        }
    }

    /// <summary>Writes the figures; those of a file that is there already stay where they were not measured again.</summary>
    public void Save(string file)
    {
        var kept = File.Exists(file) ? Load(file).Figures.Where(old => Figures.All(f => f.Name != old.Name)) : [];
        File.WriteAllText(file, JsonSerializer.Serialize(this with { Figures = [.. kept, .. Figures] }, s_json) + "\n");
    }

    /// <summary>Figures of both sittings: name, before, now, how many times as good.</summary>
    public IReadOnlyList<(Figure Before, Figure Now, double Ratio)> Compare(IReadOnlyList<Figure> now) =>
        [.. Figures.Join(now, before => before.Name, figure => figure.Name, (before, figure) => (before, figure, figure.Against(before)))];
}
