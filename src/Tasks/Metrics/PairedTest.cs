namespace DfPO.Tasks.Metrics;

/// <summary>Whether paired differences could be chance.</summary>
public static class PairedTest
{
    private const int MaxPairs = 20;

    /// <summary>
    /// Two-sided p-value of Fisher's exact sign-flip test: the share of all ways to swap the sides of each pair whose mean difference is at
    /// least as far from 0. Its least value is <c>2 / 2^n</c>: with fewer than six pairs nothing can be below .05.
    /// </summary>
    /// <param name="differences">One a pair, 1 to 20 of them.</param>
    public static double SignFlip(IReadOnlyList<double> differences)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(differences.Count, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(differences.Count, MaxPairs);
        var (ways, seen) = (1 << differences.Count, Math.Abs(differences.Sum()));
        // Sums of the same numbers in another order differ in their last bits.
        var slack = 1e-12 * differences.Sum(Math.Abs);
        var asFar = Enumerable
            .Range(0, ways)
            .Count(way => Math.Abs(differences.Select((d, i) => (way >> i & 1) == 0 ? d : -d).Sum()) >= seen - slack);
        return asFar / (double)ways;
    }

    /// <summary>
    /// Holm's step-down adjustment (1979): p-values that keep their meaning when all of them are looked at, in the order given.
    /// </summary>
    public static double[] Holm(IReadOnlyList<double> pValues)
    {
        var adjusted = new double[pValues.Count];
        var most = 0.0;
        foreach (var (rank, index) in Enumerable.Range(0, pValues.Count).OrderBy(i => pValues[i]).Index())
            adjusted[index] = most = Math.Max(most, Math.Min(1, pValues[index] * (pValues.Count - rank)));
        return adjusted;
    }
}
