namespace DfPO.Tasks.Metrics;

/// <summary>Texts whose most likely class has about the same probability, and how often it is the right one.</summary>
/// <param name="Low">Least probability of the bin.</param>
/// <param name="High">Greatest one.</param>
/// <param name="Count">Texts.</param>
/// <param name="Confidence">Mean probability of the most likely class; 0 without texts.</param>
/// <param name="Accuracy">Share of texts where it is right; 0 without texts.</param>
public sealed record CalibrationBin(double Low, double High, int Count, double Confidence, double Accuracy);

/// <summary>How well a classifier judges texts whose class is known.</summary>
/// <param name="Count">Texts.</param>
/// <param name="Accuracy">Share of texts whose most likely class is right, with Wilson's interval.</param>
/// <param name="LogLoss">Mean of <c>-log p(right class)</c>, nats.</param>
/// <param name="CalibrationError">Expected calibration error (Guo et al. 2017, equation 3): the mean over texts of |accuracy - confidence| of
/// their bin.</param>
/// <param name="Bins">Reliability of equally wide bins of confidence, empty ones included.</param>
public sealed record ClassifierFigures(
    int Count,
    Interval Accuracy,
    double LogLoss,
    double CalibrationError,
    IReadOnlyList<CalibrationBin> Bins
)
{
    /// <summary>Bins between 0 and 1.</summary>
    public const int BinCount = 20;

    /// <summary>The figures of texts.</summary>
    /// <param name="probabilities">Probability of each class, a row a text; at least one row.</param>
    /// <param name="labels">Index of each text's class.</param>
    public static ClassifierFigures Of(IReadOnlyList<float[]> probabilities, IReadOnlyList<int> labels)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(labels.Count, probabilities.Count);
        ArgumentOutOfRangeException.ThrowIfZero(labels.Count);
        var (counts, confidences, rights) = (new int[BinCount], new double[BinCount], new int[BinCount]);
        double loss = 0;
        foreach (var (row, label) in probabilities.Zip(labels))
        {
            var best = Array.IndexOf(row, row.Max());
            var bin = Math.Clamp((int)(row[best] * (double)BinCount), 0, BinCount - 1);
            counts[bin]++;
            confidences[bin] += row[best];
            rights[bin] += best == label ? 1 : 0;
            loss -= Math.Log(Math.Max(row[label], double.Epsilon));
        }
        CalibrationBin[] bins =
        [
            .. Enumerable
                .Range(0, BinCount)
                .Select(bin => new CalibrationBin(
                    bin / (double)BinCount,
                    (bin + 1) / (double)BinCount,
                    counts[bin],
                    confidences[bin] / Math.Max(1, counts[bin]),
                    rights[bin] / (double)Math.Max(1, counts[bin])
                )),
        ];
        return new(
            labels.Count,
            Interval.Share(rights.Sum(), labels.Count),
            loss / labels.Count,
            bins.Sum(bin => bin.Count * Math.Abs(bin.Accuracy - bin.Confidence)) / labels.Count,
            bins
        );
    }
}
