using System.Text.Json;
using DfPO.Host.Runs;
using DfPO.Models;

namespace DfPO.Host.Studies;

/// <summary>
/// A study's folder: <c>plan.json</c>, and a folder a trial under <c>trials/</c> with the trial's run, its output, and why it failed or was
/// stopped.
/// </summary>
/// <remarks>
/// What a trial has come to is read off its own folder, each file of which appears whole, so there is nothing that a crash could leave in
/// disagreement.
/// </remarks>
internal sealed class StudyFolder
{
    private const string PlanName = "plan.json";

    private StudyFolder(string path, StudyPlan plan) => (Path, Plan) = (path, plan);

    /// <summary>Absolute path.</summary>
    public string Path { get; }

    /// <summary>What is to be done in it.</summary>
    public StudyPlan Plan { get; }

    /// <summary>Starts a study's folder, or opens it to go on.</summary>
    /// <param name="path">Where it is.</param>
    /// <param name="plan">The plan; when the study goes on it may have more trials than before.</param>
    /// <param name="resume">Whether the folder may be there already.</param>
    /// <exception cref="DfpoException"><c>study/exists</c>, or <c>study/changed</c>: a trial that has begun is not the plan's.</exception>
    public static StudyFolder Prepare(string path, StudyPlan plan, bool resume)
    {
        path = System.IO.Path.GetFullPath(path);
        if (IsOne(path))
        {
            if (!resume)
                throw new DfpoException(
                    "study/exists",
                    $"'{path}' holds this study already: go on with --resume, or give another --runs-dir."
                );
            var planned = plan.Trials.ToDictionary(trial => trial.Name);
            var old = Open(path);
            if (
                old.Plan.Trials.FirstOrDefault(trial =>
                    Directory.Exists(old.TrialFolder(trial)) && planned.GetValueOrDefault(trial.Name)?.Digest() != trial.Digest()
                ) is
                { } changed
            )
                throw new DfpoException(
                    "study/changed",
                    $"Trial '{changed.Name}' in '{path}' was begun with other settings than the study file has now: put the file back, rename the study, or delete '{old.TrialFolder(changed)}' to begin that trial anew."
                );
        }
        Directory.CreateDirectory(path);
        var file = System.IO.Path.Combine(path, PlanName);
        File.WriteAllText(file + ".partial", JsonSerializer.Serialize(plan, s_format));
        File.Move(file + ".partial", file, overwrite: true);
        return new(path, plan);
    }

    private static readonly JsonSerializerOptions s_format = new(JsonLinesFile.Format) { WriteIndented = true };

    /// <summary>Opens a study's folder.</summary>
    /// <exception cref="DfpoException"><c>study/missing</c> or <c>study/corrupt</c>.</exception>
    public static StudyFolder Open(string path)
    {
        if (!IsOne(path))
            throw new DfpoException(
                "study/missing",
                $"'{path}' is not the folder of a study: it has no {PlanName}. Give a folder that 'dfpo study run' has made, such as runs/imdb-tiny-claim."
            );
        var file = System.IO.Path.GetFullPath(System.IO.Path.Combine(path, PlanName));
        try
        {
            return new(
                System.IO.Path.GetDirectoryName(file)!,
                JsonSerializer.Deserialize<StudyPlan>(File.ReadAllText(file), s_format) ?? throw new JsonException("it is empty")
            );
        }
        catch (JsonException e)
        {
            throw new DfpoException(
                "study/corrupt",
                $"'{file}' cannot be read ({e.Message}): delete it and run the study with --resume, which writes it anew.",
                e
            );
        }
    }

    /// <summary>Whether a folder is a study's.</summary>
    public static bool IsOne(string path) => File.Exists(System.IO.Path.Combine(path, PlanName));

    /// <summary>The folder of a trial, in which its run's folder is made.</summary>
    public string TrialFolder(Trial trial) => System.IO.Path.Combine(Path, "trials", trial.Name);

    /// <summary>Where a trial's output goes.</summary>
    public string Output(Trial trial) => System.IO.Path.Combine(TrialFolder(trial), "output.log");

    /// <summary>The run of a trial; null when it has none yet.</summary>
    public RunFolder? Run(Trial trial) =>
        Directory.Exists(TrialFolder(trial))
        && Directory.GetDirectories(TrialFolder(trial)).Where(RunFolder.IsOne).Order(StringComparer.Ordinal).LastOrDefault() is { } run
            ? RunFolder.Open(run)
            : null;

    /// <summary>How far the study has come.</summary>
    public StudyState State() => new([.. Plan.Trials.Select(State)]);

    /// <summary>Notes why a trial will not go on.</summary>
    public void Note(TrialState state) => new TrialOutcome(state.Status, state.Note).Write(TrialFolder(state.Trial));

    /// <summary>Forgets such a note.</summary>
    public void Forget(Trial trial)
    {
        Directory.CreateDirectory(TrialFolder(trial));
        File.Delete(TrialOutcome.FileIn(TrialFolder(trial)));
    }

    private TrialState State(Trial trial)
    {
        var run = Run(trial);
        if (run is not null && File.Exists(run.Result))
            return new(trial, TrialStatus.Finished);
        return TrialOutcome.Read(TrialFolder(trial)) is { } noted
            ? new(trial, noted.Status, noted.Note)
            : new(trial, run is null ? TrialStatus.Waiting : TrialStatus.HalfDone);
    }
}
