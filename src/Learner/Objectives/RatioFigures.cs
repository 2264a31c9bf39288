namespace DfPO.Learner.Objectives;

/// <summary>Figures about the ratio <c>rho = pi_theta / pi_theta_old</c>.</summary>
internal static class RatioFigures
{
    /// <summary>Measures ratios of tokens, or of sequences.</summary>
    /// <param name="logRatios"><c>log rho</c>.</param>
    /// <param name="statistics">Receives <c>policy/ratio</c> and <c>policy/approx_kl</c> (k3).</param>
    public static void Measure(double[] logRatios, Statistics statistics)
    {
        statistics.Add("policy/ratio", logRatios.Sum(Math.Exp), logRatios.Length);
        // The samples are the old policy's: this is KL(old || new).
        statistics.Add("policy/approx_kl", logRatios.Length * KlEstimators.K3(logRatios.Select(d => -d)), logRatios.Length);
    }

    /// <summary>Measures ratios, and what clips them.</summary>
    /// <param name="logRatios"><c>log rho</c>.</param>
    /// <param name="weights">What each of them is multiplied by.</param>
    /// <param name="clip">The clip range.</param>
    /// <param name="statistics">
    /// Receives the same, <c>policy/clip_fraction</c> (share of ratios outside of the range), and of those the share whose clip takes a
    /// gradient away: <c>policy/clip_low</c> (pushed down, weight &lt; 0), <c>policy/clip_high</c> (pushed up) and their sum
    /// <c>policy/clip_region</c>.
    /// </param>
    /// <param name="delta">Upper bound of the ratio before it is compared; 0 for none.</param>
    public static void Measure(double[] logRatios, double[] weights, ClipRange clip, Statistics statistics, double delta = 0)
    {
        Measure(logRatios, statistics);
        var count = logRatios.Length;
        statistics.Add("policy/clip_fraction", logRatios.Count(d => Math.Exp(d) < 1 - clip.Low || Math.Exp(d) > 1 + clip.High), count);
        var (low, high) = Clipped(logRatios, weights, clip, delta);
        statistics.Add("policy/clip_low", low.Count(x => x), count);
        statistics.Add("policy/clip_high", high.Count(x => x), count);
        statistics.Add("policy/clip_region", low.Count(x => x) + high.Count(x => x), count);
    }

    /// <summary>The least of the sequences' <c>policy/clip_low</c> and the greatest of their <c>policy/clip_high</c>.</summary>
    /// <param name="logRatios"><c>log rho</c> of every token, sequence after sequence, or of every sequence.</param>
    /// <param name="weights">What each of them is multiplied by.</param>
    /// <param name="lengths">How many of them each sequence has.</param>
    /// <param name="clip">The clip range.</param>
    /// <param name="statistics">Receives <c>policy/clip_low_min</c> and <c>policy/clip_high_max</c>.</param>
    /// <param name="delta">Upper bound of the ratio before it is compared; 0 for none.</param>
    public static void MeasureExtremes(
        double[] logRatios,
        double[] weights,
        IEnumerable<int> lengths,
        ClipRange clip,
        Statistics statistics,
        double delta = 0
    )
    {
        var (low, high) = Clipped(logRatios, weights, clip, delta);
        var (start, least, greatest) = (0, 1.0, 0.0);
        foreach (var length in lengths)
        {
            double Share(bool[] of) => of.AsSpan(start, length).Count(true) / (double)Math.Max(1, length);
            (least, greatest) = (Math.Min(least, Share(low)), Math.Max(greatest, Share(high)));
            start += length;
        }
        statistics.Add("policy/clip_low_min", least);
        statistics.Add("policy/clip_high_max", greatest);
    }

    private static (bool[] Low, bool[] High) Clipped(double[] logRatios, double[] weights, ClipRange clip, double delta)
    {
        double[] ratios = [.. logRatios.Select(d => delta > 0 ? Math.Min(Math.Exp(d), delta) : Math.Exp(d))];
        return (
            [.. ratios.Zip(weights, (r, w) => r < 1 - clip.Low && w < 0)],
            [.. ratios.Zip(weights, (r, w) => r > 1 + clip.High && w > 0)]
        );
    }
}
