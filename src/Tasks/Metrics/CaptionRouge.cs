namespace DfPO.Tasks.Metrics;

/// <summary>
/// ROUGE-L as the COCO caption evaluation computes it, which CommonGen's results are given in: F with recall weighted by beta = 1.2.
/// </summary>
public static class CaptionRouge
{
    private const double BetaSquared = 1.2 * 1.2;

    /// <summary>Score in [0, 1]: the best precision and the best recall over the references, which need not be the same one's.</summary>
    /// <param name="hypothesis">Words.</param>
    /// <param name="references">At least one, each in words.</param>
    public static double Score(string[] hypothesis, IReadOnlyList<string[]> references)
    {
        int[] common = [.. references.Select(reference => Rouge.LongestCommonSubsequence(reference, hypothesis).Count)];
        if (common.Max() == 0)
            return 0;
        var precision = common.Max() / (double)hypothesis.Length;
        var recall = common.Zip(references).Max(pair => pair.First / (double)pair.Second.Length);
        return (1 + BetaSquared) * precision * recall / (recall + BetaSquared * precision);
    }
}
