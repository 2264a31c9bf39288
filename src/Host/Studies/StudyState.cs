namespace DfPO.Host.Studies;

/// <summary>How far a trial has come.</summary>
internal enum TrialStatus
{
    /// <summary>It has no run yet.</summary>
    Waiting,

    /// <summary>Its run has begun and not ended: to be resumed.</summary>
    HalfDone,

    /// <summary>Its run has a result.</summary>
    Finished,

    /// <summary>Halving stopped it.</summary>
    Stopped,

    /// <summary>Its process ended with an error.</summary>
    Failed,
}

/// <summary>A trial and how far it has come.</summary>
/// <param name="Trial">The trial.</param>
/// <param name="Status">How far.</param>
/// <param name="Note">Why it failed or was stopped; else empty.</param>
internal sealed record TrialState(Trial Trial, TrialStatus Status, string Note = "")
{
    /// <summary>Whether there is something to do.</summary>
    public bool IsOpen => Status is TrialStatus.Waiting or TrialStatus.HalfDone;
}

/// <summary>How far a study has come, and what is to be done next.</summary>
internal sealed record StudyState(IReadOnlyList<TrialState> Trials)
{
    /// <summary>The state with a trial's replaced.</summary>
    public StudyState With(TrialState state) => new([.. Trials.Select(trial => trial.Trial.Name == state.Trial.Name ? state : trial)]);

    /// <summary>The state in which failed trials are to be tried again, as a resumed study does.</summary>
    public StudyState Retried() =>
        new([
            .. Trials.Select(trial => trial.Status == TrialStatus.Failed ? trial with { Status = TrialStatus.HalfDone, Note = "" } : trial),
        ]);

    /// <summary>
    /// The trials to start now. Half-done ones come first, then the order of the plan; one that wants the machine alone waits until nothing
    /// runs, and nothing overtakes it.
    /// </summary>
    /// <param name="running">Names of the trials that run.</param>
    /// <param name="parallel">Most trials side by side.</param>
    public IReadOnlyList<TrialState> Next(IReadOnlySet<string> running, int parallel)
    {
        List<TrialState> starts = [];
        var atWork = Trials.Where(trial => running.Contains(trial.Trial.Name)).ToList();
        foreach (
            var trial in Trials
                .Where(trial => trial.IsOpen && !running.Contains(trial.Trial.Name))
                .OrderBy(trial => trial.Status == TrialStatus.HalfDone ? 0 : 1)
        )
        {
            if (atWork.Count >= parallel || atWork.Any(other => other.Trial.Alone) || (trial.Trial.Alone && atWork.Count > 0))
                break;
            starts.Add(trial);
            atWork.Add(trial);
        }
        return starts;
    }

    /// <summary>How many trials have come so far.</summary>
    public int Count(TrialStatus status) => Trials.Count(trial => trial.Status == status);

    /// <summary>One sentence.</summary>
    public string Summary() =>
        $"{Trials.Count} trials: {Count(TrialStatus.Finished)} finished, {Count(TrialStatus.Stopped)} stopped by halving, {Count(TrialStatus.Failed)} failed, {Count(TrialStatus.HalfDone)} half-done, {Count(TrialStatus.Waiting)} waiting.";
}
