namespace DfPO.Learner.Supervised;

/// <summary>Linear warm-up to the peak learning rate, then a half cosine down to a tenth of it.</summary>
/// <param name="Peak">Highest learning rate.</param>
/// <param name="WarmupSteps">Steps of the linear rise, at least 0.</param>
/// <param name="TotalSteps">Steps of the whole training.</param>
public sealed record TrainingSchedule(double Peak, int WarmupSteps, int TotalSteps)
{
    private const double Floor = 0.1;

    /// <summary>The learning rate of step <paramref name="step"/>, counted from 0.</summary>
    public double At(int step)
    {
        if (step < WarmupSteps)
            return Peak * (step + 1) / WarmupSteps;
        var progress = Math.Min(1, (step - WarmupSteps) / (double)Math.Max(1, TotalSteps - WarmupSteps));
        return Peak * (Floor + (1 - Floor) * 0.5 * (1 + Math.Cos(Math.PI * progress)));
    }
}
