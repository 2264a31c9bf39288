namespace DfPO.Learner.Guards;

/// <summary>
/// Does what the alarms ask for: saves batches, gathers warnings, stops. A warning that goes on saves its first batch only.
/// </summary>
/// <param name="options">Thresholds and what an alarm does.</param>
/// <param name="maxKl">Threshold of the exploding KL, nats a token.</param>
/// <param name="incidents">Folder for the batches; those of warnings go into <c>warnings</c> in it.</param>
internal sealed class GuardWatch(GuardOptions options, double maxKl, string incidents)
{
    private readonly Dictionary<string, string> _saved = [];
    private readonly List<LearnerWarning> _warnings = [];

    /// <summary>The first iterations, for a checkpoint.</summary>
    public GuardBaseline Baseline { get; set; } = new();

    /// <summary>Looks at figures, and adds them to the baseline.</summary>
    /// <exception cref="Models.DfpoException">An alarm that stops; the batch is saved.</exception>
    public void Look(GuardFigures figures, int iteration, string place, IReadOnlyList<Trajectory> batch)
    {
        var alarms = GuardRules.Check(options, maxKl, Baseline, figures);
        foreach (var alarm in alarms)
        {
            var incident = new Incident(alarm.Code, alarm.Reason, iteration, place, batch);
            if (alarm.Action == GuardAction.Stop)
                throw incident.Record(incidents);
            if (!_saved.ContainsKey(Key(place, alarm.Code)))
                _saved[Key(place, alarm.Code)] = incident.Write(Path.Combine(incidents, "warnings"));
            _warnings.Add(new LearnerWarning(alarm.Code, incident.Message(_saved[Key(place, alarm.Code)])));
        }
        foreach (
            var over in _saved
                .Keys.Where(key =>
                    key.StartsWith(Key(place, ""), StringComparison.Ordinal) && alarms.All(alarm => key != Key(place, alarm.Code))
                )
                .ToArray()
        )
            _saved.Remove(over);
        Baseline = Baseline.With(figures, options.BaselineIterations);
    }

    /// <summary>The warnings since the last call.</summary>
    public IReadOnlyList<LearnerWarning> TakeWarnings()
    {
        LearnerWarning[] taken = [.. _warnings];
        _warnings.Clear();
        return taken;
    }

    private static string Key(string place, string code) => $"{place}:{code}";
}
