namespace DfPO.Host.Studies;

/// <summary>
/// Successive halving, asynchronous and by stopping (Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning"): a trial that
/// reaches a rung goes on if it is among the best of those that have reached it so far. The first ones at a rung have nothing to be
/// compared with and go on.
/// </summary>
/// <param name="Metric">Name of the figure in <c>metrics.jsonl</c>.</param>
/// <param name="Rounds">Rungs.</param>
/// <param name="Keep">Share of the trials that a rung lets through, in (0, 1).</param>
/// <param name="Minimise">Whether a lower figure is better.</param>
internal sealed record Halving(string Metric, int Rounds, double Keep, bool Minimise)
{
    /// <summary>
    /// Iterations of the rungs, ascending: the last is <see cref="Keep"/> of the whole, each one before it as much of the next. Rungs that
    /// coincide count once.
    /// </summary>
    public IReadOnlyList<int> Rungs(int iterations) =>
        [
            .. Enumerable
                .Range(1, Rounds)
                .Select(k => Math.Max(1, (int)Math.Round(iterations * Math.Pow(Keep, k))))
                .Where(rung => rung < iterations)
                .Distinct()
                .Order(),
        ];

    /// <summary>Whether a trial is hopeless at a rung.</summary>
    /// <param name="own">Its figure there; NaN is the worst.</param>
    /// <param name="others">Figures of the other trials of its task that have reached the rung.</param>
    public bool Stops(double own, IReadOnlyCollection<double> others)
    {
        var better = others.Count(other => Score(other) > Score(own));
        var kept = Math.Max(1, (int)Math.Ceiling(Keep * (others.Count + 1)));
        return better >= kept;
    }

    private double Score(double value) =>
        double.IsNaN(value) ? double.NegativeInfinity
        : Minimise ? -value
        : value;
}
