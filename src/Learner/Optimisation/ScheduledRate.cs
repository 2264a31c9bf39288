namespace DfPO.Learner.Optimisation;

/// <summary>The learning rate of some parameters, which follows a schedule step by step.</summary>
/// <param name="schedule">The schedule.</param>
/// <param name="groups">The parameters.</param>
internal sealed class ScheduledRate(TrainingSchedule schedule, IReadOnlyList<ParameterGroup> groups)
{
    /// <summary>Steps taken.</summary>
    public long Steps { get; set; }

    /// <summary>Sets the rate of the next step, which is then taken.</summary>
    /// <returns>The rate.</returns>
    public double Next()
    {
        var rate = schedule.At(Steps++);
        foreach (var group in groups)
            group.LearningRate = rate;
        return rate;
    }
}
