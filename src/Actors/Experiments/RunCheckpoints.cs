using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using DfPO.Models;
using DfPO.Models.Files;

namespace DfPO.Actors.Experiments;

/// <summary>What of an experiment is neither in the learner's checkpoint nor a function of the iteration.</summary>
/// <param name="Iteration">Finished iterations.</param>
/// <param name="ValidatedIteration">Last iteration that was validated: one stopped in the middle of a validation repeats it when it
/// resumes.</param>
/// <param name="BestIteration">Iteration with the best validation reward so far.</param>
/// <param name="BestScore">That reward.</param>
/// <param name="Before">Test figures of the initial weights.</param>
public sealed record ExperimentState(int Iteration, int ValidatedIteration, int BestIteration, double BestScore, EvaluationReport Before);

/// <summary>
/// The resumable states of a run: a learner's folder and a JSON file beside it, both named by the iteration. A state counts when both are
/// there.
/// </summary>
/// <param name="root">The run's folder.</param>
public sealed class RunCheckpoints(string root)
{
    private const int Kept = 2;
    private const string SumName = "Sha256";

    // A figure may have no value, such as the entropy of a beam search.
    private static readonly JsonSerializerOptions s_format = new() { NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals };
    private readonly string _folder = Path.Combine(root, "checkpoints");

    /// <summary>Where batches go that tripped a guard.</summary>
    public string Incidents { get; } = Path.Combine(root, "incidents");

    /// <summary>Which units each update learnt from.</summary>
    public ArrivalJournal Journal { get; } = new(Path.Combine(root, "journal.jsonl"));

    /// <summary>The journal that a replay follows; other runs have none.</summary>
    public ArrivalJournal Replayed { get; } = new(Path.Combine(root, "replayed.jsonl"));

    /// <summary>The learner's folder of an iteration.</summary>
    public string LearnerFolder(int iteration) => Path.Combine(_folder, $"iteration-{iteration:D5}");

    /// <summary>The exported policy of the last iteration, written at the end.</summary>
    public string FinalFolder { get; } = Path.Combine(root, "final");

    /// <summary>The exported policy of an iteration that was the best so far.</summary>
    public string BestFolder(int iteration) => Path.Combine(root, "best", $"iteration-{iteration:D5}");

    /// <summary>Writes the state file; call it before the learner saves, whose folder appears whole and makes the pair valid.</summary>
    public void SaveState(ExperimentState state)
    {
        Directory.CreateDirectory(_folder);
        var json = JsonSerializer.SerializeToNode(state, s_format)!.AsObject();
        json[SumName] = Sum(json);
        DurableFile.Write(StateFile(state.Iteration), json.ToJsonString());
    }

    /// <summary>Deletes what newer states made superfluous.</summary>
    public void Prune(int bestIteration)
    {
        var states = Iterations().OrderDescending().ToArray();
        foreach (var old in states.Skip(Kept))
        {
            Directory.Delete(LearnerFolder(old), recursive: true);
            File.Delete(StateFile(old));
        }
        var best = Path.GetDirectoryName(BestFolder(bestIteration))!;
        if (!Directory.Exists(best))
            return;
        var needed = states.Take(Kept).Select(i => Read(i).BestIteration).Append(bestIteration).Select(BestFolder).ToHashSet();
        foreach (var folder in Directory.GetDirectories(best).Where(folder => !needed.Contains(folder)))
            Directory.Delete(folder, recursive: true);
    }

    /// <summary>The newest whole state, or null when there is none.</summary>
    /// <exception cref="DfpoException"><c>run/resume</c>: a state file cannot be read.</exception>
    public ExperimentState? Newest() => Iterations().OrderDescending().Select(iteration => Read(iteration)).FirstOrDefault();

    /// <summary>
    /// The newest state whose files are what was written, or null when there is none at all. Damaged ones are named, and put aside.
    /// </summary>
    /// <exception cref="DfpoException"><c>run/resume</c>: there are states, and all are damaged.</exception>
    public ExperimentState? NewestSound()
    {
        var problems = new List<string>();
        foreach (var iteration in Iterations().OrderDescending().ToArray())
        {
            var folder = LearnerFolder(iteration);
            if (Problem(iteration) is not { } problem)
                return Read(iteration);
            problems.Add($"'{folder}': {problem}");
            Notices.Tell($"the checkpoint '{folder}' is damaged ({problem}): it is put aside, and the run goes on from the one before");
            foreach (var path in new[] { folder, StateFile(iteration) })
                PutAside(path);
        }
        return problems.Count == 0
            ? null
            : throw new DfpoException(
                "run/resume",
                $"All checkpoints of the run are damaged ({string.Join("; ", problems)}): put an undamaged copy back, or start a new run."
            );
    }

    private string? Problem(int iteration)
    {
        try
        {
            Read(iteration);
            return FolderChecksums.Problem(LearnerFolder(iteration));
        }
        catch (Exception e) when (e is DfpoException or IOException)
        {
            return e.InnerException?.Message ?? e.Message;
        }
    }

    private static void PutAside(string path)
    {
        var aside = path + ".damaged";
        if (Directory.Exists(aside))
            Directory.Delete(aside, recursive: true);
        if (Directory.Exists(path))
            Directory.Move(path, aside);
        else
            File.Move(path, aside, overwrite: true);
    }

    private static string Sum(JsonObject state) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(state.ToJsonString())));

    private IEnumerable<int> Iterations() =>
        Directory.Exists(_folder)
            ? Directory
                .GetFiles(_folder, "iteration-*.json")
                .Select(file =>
                    int.TryParse(Path.GetFileNameWithoutExtension(file).AsSpan("iteration-".Length), out var iteration) ? iteration : -1
                )
                .Where(iteration => iteration >= 0 && Directory.Exists(LearnerFolder(iteration)))
            : [];

    private ExperimentState Read(int iteration)
    {
        var path = StateFile(iteration);
        try
        {
            var json = JsonNode.Parse(File.ReadAllText(path)) as JsonObject ?? throw new JsonException("it is empty");
            // States of earlier versions have no sum.
            if (json.Remove(SumName, out var sum) && (string?)sum != Sum(json))
                throw new JsonException("it is not what was written");
            return json.Deserialize<ExperimentState>(s_format) ?? throw new JsonException("it is empty");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new DfpoException(
                "run/resume",
                $"'{path}' cannot be read ({e.Message}): delete it and the folder beside it to resume from the state before.",
                e
            );
        }
    }

    private string StateFile(int iteration) => LearnerFolder(iteration) + ".json";
}
