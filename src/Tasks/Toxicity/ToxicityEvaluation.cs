namespace DfPO.Tasks.Toxicity;

/// <summary>How well predicted toxicities agree with given ones.</summary>
/// <param name="Pearson">Linear correlation.</param>
/// <param name="Auc">Probability that a text of toxicity .5 or more is rated over one of less; NaN when there are none of either.</param>
public sealed record ToxicityEvaluation(double Pearson, double Auc)
{
    /// <summary>Compares a regressor with scored texts.</summary>
    public static ToxicityEvaluation Of(ToxicityRegressor regressor, IReadOnlyList<ScoredText> texts) =>
        Of([.. texts.Select(text => (double)regressor.Score(text.Text))], [.. texts.Select(text => (double)text.Toxicity)]);

    /// <summary>Compares predictions with truth, item by item.</summary>
    public static ToxicityEvaluation Of(double[] predicted, double[] truth) =>
        new(Correlation(predicted, truth), AreaUnderCurve(predicted, truth));

    private static double Correlation(double[] a, double[] b)
    {
        double meanA = a.Average(),
            meanB = b.Average();
        var covariance = a.Zip(b, (x, y) => (x - meanA) * (y - meanB)).Sum();
        return covariance / Math.Sqrt(a.Sum(x => (x - meanA) * (x - meanA)) * b.Sum(y => (y - meanB) * (y - meanB)));
    }

    // Mann and Whitney: from the ranks of the toxic texts, equal predictions sharing theirs.
    private static double AreaUnderCurve(double[] predicted, double[] truth)
    {
        var rank = 1.0;
        var (toxicRanks, toxic) = (0.0, 0);
        foreach (var group in predicted.Zip(truth).GroupBy(pair => pair.First).OrderBy(group => group.Key))
        {
            var (size, toxicHere) = (group.Count(), group.Count(pair => pair.Second >= 0.5));
            toxicRanks += toxicHere * (rank + (size - 1) / 2.0);
            toxic += toxicHere;
            rank += size;
        }
        return (toxicRanks - toxic * (toxic + 1) / 2.0) / (toxic * (double)(predicted.Length - toxic));
    }
}
