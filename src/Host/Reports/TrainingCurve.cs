namespace DfPO.Host.Reports;

/// <summary>A run's validations under one decoding policy.</summary>
/// <param name="Points">In the order of iterations, from before training on.</param>
internal sealed record TrainingCurve(IReadOnlyList<TrainingCurve.Point> Points)
{
    /// <summary>A validation.</summary>
    /// <param name="Iteration">Updates done.</param>
    /// <param name="Kl">KL of what was drawn from to the untrained model, nats a token.</param>
    /// <param name="Reward">Mean reward.</param>
    /// <param name="Perplexity">Under the untrained model.</param>
    /// <param name="Entropy">Nats a token.</param>
    internal readonly record struct Point(int Iteration, double Kl, double Reward, double Perplexity, double Entropy);

    private const string Start = "policy";

    /// <summary>Reads a run's curve. Before training all policies are the same one, so that every curve begins there.</summary>
    /// <param name="run">The run.</param>
    /// <param name="policy">Name of the decoding policy.</param>
    public static TrainingCurve Of(ReportRun run, string policy) =>
        new([
            .. run
                .Run.Points()
                .Select(point => (point.Iteration, point.Value, Path: point.Metric.Split('/')))
                .Where(point => point.Path is ["eval", "validation", var name, _] && name == (point.Iteration == 0 ? Start : policy))
                .GroupBy(point => point.Iteration)
                .OrderBy(at => at.Key)
                .Select(at => (at.Key, Of: at.ToLookup(point => point.Path[3], point => point.Value)))
                .Where(at => at.Of.Contains("kl") && at.Of.Contains("reward"))
                .Select(at => new Point(
                    at.Key,
                    at.Of["kl"].Last(),
                    at.Of["reward"].Last(),
                    at.Of["perplexity"].LastOrDefault(double.NaN),
                    at.Of["entropy"].LastOrDefault(double.NaN)
                )),
        ]);

    /// <summary>
    /// The figures where the curve first reaches a KL, by a straight line between the validations around it; null where it does not get
    /// there.
    /// </summary>
    public Point? At(double kl)
    {
        foreach (var (from, to) in Points.Zip(Points.Skip(1)))
            if (from.Kl <= kl && kl <= to.Kl)
            {
                var share = to.Kl > from.Kl ? (kl - from.Kl) / (to.Kl - from.Kl) : 0;
                double Between(double a, double b) => a + share * (b - a);
                return new(
                    from.Iteration,
                    kl,
                    Between(from.Reward, to.Reward),
                    Between(from.Perplexity, to.Perplexity),
                    Between(from.Entropy, to.Entropy)
                );
            }
        return null;
    }
}
