namespace DfPO.Learner.Optimisation;

/// <summary>How a learning rate goes on from its peak.</summary>
public enum ScheduleKind
{
    /// <summary>It stays.</summary>
    Constant,

    /// <summary>It falls in a line to 0.</summary>
    Linear,

    /// <summary>It falls by half a cosine to a share of the peak.</summary>
    Cosine,
}

/// <summary>A learning rate by optimiser steps: a linear rise from 0 to the peak, then its kind's way down.</summary>
/// <remarks>
/// Source: HF's <c>get_scheduler</c> with <c>constant_with_warmup</c>, <c>linear</c>, <c>cosine</c> and <c>cosine_with_min_lr</c>; past the
/// last step it stays where it was there.
/// </remarks>
/// <param name="Kind">The way down.</param>
/// <param name="Peak">Highest learning rate.</param>
/// <param name="WarmupSteps">Steps of the rise, at least 0; the first one's rate is 0.</param>
/// <param name="TotalSteps">Steps in all, the rise included; a constant rate does not look at it.</param>
/// <param name="MinRatio">The cosine's end as a share of the peak, in [0, 1].</param>
public sealed record TrainingSchedule(ScheduleKind Kind, double Peak, long WarmupSteps, long TotalSteps, double MinRatio = 0)
{
    /// <summary>The learning rate of step <paramref name="step"/>, counted from 0.</summary>
    public double At(long step)
    {
        if (step < WarmupSteps)
            return Peak * step / WarmupSteps;
        var progress = Math.Min(1, (step - WarmupSteps) / (double)Math.Max(1, TotalSteps - WarmupSteps));
        return Peak
            * Kind switch
            {
                ScheduleKind.Constant => 1,
                ScheduleKind.Linear => 1 - progress,
                _ => MinRatio + (1 - MinRatio) * 0.5 * (1 + Math.Cos(Math.PI * progress)),
            };
    }
}
