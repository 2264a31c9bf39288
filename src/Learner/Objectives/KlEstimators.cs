namespace DfPO.Learner.Objectives;

/// <summary>Estimates of <c>KL(p || q)</c>, nats, from samples of p (Schulman, "Approximating KL divergence").</summary>
public static class KlEstimators
{
    /// <summary>k1, the mean of <c>d = log p - log q</c>: unbiased, may be negative.</summary>
    public static double K1(IEnumerable<double> logRatios) => logRatios.Average();

    /// <summary>k2, the mean of <c>d^2 / 2</c>: biased, never negative, of low variance.</summary>
    public static double K2(IEnumerable<double> logRatios) => logRatios.Average(d => d * d / 2);

    /// <summary>k3, the mean of <c>exp(-d) - 1 + d</c>: unbiased, never negative, of lower variance.</summary>
    public static double K3(IEnumerable<double> logRatios) => logRatios.Average(d => Math.Exp(-d) - 1 + d);
}
