using System.Text.Json;
using System.Text.Json.Serialization;
using DfPO.Actors.Files;
using DfPO.Models;
using DfPO.Models.Files;

namespace DfPO.Actors.Experiments;

/// <summary>What one update learnt from.</summary>
/// <param name="Iteration">The update, from 1.</param>
/// <param name="Weights">Digest of the weights that were published before it.</param>
/// <param name="Threads">Torch threads of the learner: with another number, sums round differently.</param>
/// <param name="Units">The units, in the order in which they were learnt; none where the objective rolls nothing out.</param>
public sealed record JournalLine(int Iteration, string Weights, int Threads, IReadOnlyList<TrainingUnit> Units)
{
    /// <summary>Largest distance in versions between weights that rolled out and weights that learnt.</summary>
    [JsonIgnore]
    public int Staleness => Units.Select(unit => Iteration - 1 - unit.Version).DefaultIfEmpty().Max();
}

/// <summary>
/// The order in which units were learnt, one JSON object an update. Together with the configuration it is all that an asynchronous run
/// depends on: a resumed run knows from it which units are done, and a replay repeats the run.
/// </summary>
/// <param name="path">The file, which the first line creates.</param>
public sealed class ArrivalJournal(string path)
{
    private static readonly JsonSerializerOptions s_format = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false) },
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
    };

    /// <summary>Whether there is one.</summary>
    public bool Exists => File.Exists(path);

    /// <summary>Appends an update; call it before the update counts as done.</summary>
    public void Append(JournalLine line) => DurableFile.Append(path, JsonSerializer.Serialize(line, s_format) + "\n", sync: true);

    /// <summary>Reads all updates; a last line that a crash cut short is left out.</summary>
    /// <exception cref="DfpoException"><c>run/journal</c>: a line cannot be read, an update is missing, or a unit stands there
    /// twice.</exception>
    public IReadOnlyList<JournalLine> Read()
    {
        if (!Exists)
            return [];
        var (lines, units) = (new List<JournalLine>(), new Dictionary<long, int>());
        var read = JsonLines.Read(File.ReadAllLines(path), Parse, (number, e) => Corrupt(number, $"cannot be read ({e.Message})", e));
        foreach (var (index, line) in read.Index())
        {
            if (line.Iteration != index + 1)
                throw Corrupt(index + 1, $"is of iteration {line.Iteration}, where {index + 1} is expected");
            foreach (var unit in line.Units)
            {
                if (!units.TryAdd(unit.Number, line.Iteration))
                    throw Corrupt(index + 1, $"has unit {unit.Number}, which iteration {units[unit.Number]} learnt already");
                if (unit.Version < 0 || unit.Version >= line.Iteration || unit.Number < 0)
                    throw Corrupt(index + 1, $"has unit {unit.Number} with weights version {unit.Version}, which cannot be");
            }
            lines.Add(line);
        }
        return lines;
    }

    /// <summary>Forgets the updates after an iteration, which are about to be made again.</summary>
    /// <returns>The updates up to it.</returns>
    /// <exception cref="DfpoException"><c>run/journal</c>: as <see cref="Read"/>, or an update before it is missing.</exception>
    public IReadOnlyList<JournalLine> KeepUpTo(int iteration)
    {
        JournalLine[] kept = [.. Read().Take(iteration)];
        if (kept.Length < iteration)
            throw new DfpoException(
                "run/journal",
                $"'{path}' tells of {kept.Length} updates but the checkpoint is of iteration {iteration}, so it is not known which units were learnt: put the missing lines back, or start the run anew."
            );
        if (!Exists)
            return kept;
        DurableFile.Write(path, string.Concat(kept.Select(line => JsonSerializer.Serialize(line, s_format) + "\n")));
        return kept;
    }

    private static JournalLine Parse(string text) =>
        JsonSerializer.Deserialize<JournalLine>(text, s_format) ?? throw new JsonException("it is null");

    private DfpoException Corrupt(int line, string what, Exception? inner = null) =>
        new("run/journal", $"'{path}' line {line} {what}: the file was damaged; put an undamaged copy back.", inner);
}
