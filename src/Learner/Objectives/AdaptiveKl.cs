namespace DfPO.Learner.Objectives;

/// <summary>The proportional controller of the KL coefficient (Ziegler et al. 2019, section 2.2).</summary>
public static class AdaptiveKl
{
    /// <summary>RL4LMs's rate, whatever the size of the batch; Ziegler et al. take (episodes of the iteration) / (horizon).</summary>
    public const double Rl4LmsRate = 0.1;

    /// <summary><c>beta (1 + rate clip((KL - target) / target, -0.2, 0.2))</c>.</summary>
    /// <param name="coefficient"><c>beta</c>.</param>
    /// <param name="observed">Mean KL of the iteration; RL4LMs takes it a token.</param>
    /// <param name="target">Wanted KL in the same unit, greater than 0.</param>
    /// <param name="rate">Strength of the correction.</param>
    public static double Next(double coefficient, double observed, double target, double rate = Rl4LmsRate) =>
        coefficient * (1 + rate * Math.Clamp(observed / target - 1, -0.2, 0.2));
}
