namespace DfPO.Tasks.Metrics;

/// <summary>What BLEU counts, summed over the items of a corpus (Papineni et al., 2002).</summary>
/// <param name="Matches">For n = 1, 2, ...: n-grams of the hypotheses that stand in a reference, clipped to their highest count in
/// one.</param>
/// <param name="Totals">For n = 1, 2, ...: n-grams of the hypotheses.</param>
/// <param name="HypothesisLength">Words of the hypotheses.</param>
/// <param name="ReferenceLength">Words of the references, one length an item.</param>
public sealed record BleuCounts(int[] Matches, int[] Totals, int HypothesisLength, int ReferenceLength)
{
    /// <summary>Which reference's length an item counts with.</summary>
    public enum Length
    {
        /// <summary>The one nearest to the hypothesis's, the shorter of two equally near: BLEU's own rule.</summary>
        Closest,

        /// <summary>The shortest: the rule of TensorFlow's <c>nmt</c> and so of RL4LMs.</summary>
        Shortest,
    }

    /// <summary>Counts one item.</summary>
    /// <param name="hypothesis">Words.</param>
    /// <param name="references">At least one, each in words.</param>
    /// <param name="length">Rule for the reference's length.</param>
    /// <param name="order">Longest n-gram.</param>
    public static BleuCounts Of(string[] hypothesis, IReadOnlyList<string[]> references, Length length = Length.Closest, int order = 4)
    {
        var matches = new int[order];
        for (var n = 1; n <= order; n++)
        {
            var max = Ngrams.MaxCounts(references, n);
            matches[n - 1] = Ngrams.Count(hypothesis, n).Sum(gram => Math.Min(gram.Value, max.GetValueOrDefault(gram.Key)));
        }
        return new BleuCounts(
            matches,
            TotalsOf(hypothesis.Length, order),
            hypothesis.Length,
            length == Length.Shortest ? references.Min(r => r.Length) : ClosestTo(hypothesis.Length, references.Select(r => r.Length))
        );
    }

    /// <summary>Both items together.</summary>
    public static BleuCounts operator +(BleuCounts a, BleuCounts b) =>
        new(
            [.. a.Matches.Zip(b.Matches, (x, y) => x + y)],
            [.. a.Totals.Zip(b.Totals, (x, y) => x + y)],
            a.HypothesisLength + b.HypothesisLength,
            a.ReferenceLength + b.ReferenceLength
        );

    /// <summary>1 when the hypotheses are as long as the references or longer, else exp(1 - r / c); 0 when they are empty.</summary>
    public double BrevityPenalty =>
        HypothesisLength >= ReferenceLength ? 1
        : HypothesisLength == 0 ? 0
        : Math.Exp(1 - ReferenceLength / (double)HypothesisLength);

    internal static int[] TotalsOf(int length, int order) => [.. Enumerable.Range(0, order).Select(n => Math.Max(0, length - n))];

    internal static int ClosestTo(int length, IEnumerable<int> lengths) =>
        lengths.OrderBy(other => Math.Abs(other - length)).ThenBy(other => other).First();
}

/// <summary>
/// BLEU in [0, 1] from counts, by the conventions of the two evaluations that results are published with. For SacreBLEU see
/// <see cref="SacreBleu"/>.
/// </summary>
public static class Bleu
{
    // coco-caption's guards against division by zero; equal results need equal guards.
    private const double Tiny = 1e-15;
    private const double Small = 1e-9;

    /// <summary>TensorFlow <c>nmt</c>'s BLEU, which RL4LMs reports: 0 as soon as one precision is 0.</summary>
    /// <param name="counts">Counts with <see cref="BleuCounts.Length.Shortest"/>.</param>
    /// <param name="smooth">Whether one is added to matches and totals of every order (Lin and Och, 2004), as is sensible for single
    /// items.</param>
    public static double Nmt(BleuCounts counts, bool smooth = false)
    {
        var add = smooth ? 1 : 0;
        double[] precisions =
        [
            .. counts.Matches.Zip(counts.Totals, (match, total) => total + add == 0 ? 0 : (match + add) / (double)(total + add)),
        ];
        return precisions.Min() > 0 ? Math.Exp(precisions.Average(Math.Log)) * counts.BrevityPenalty : 0;
    }

    /// <summary>COCO caption evaluation's BLEU-1, -2, ... up to the counted order.</summary>
    /// <param name="counts">Counts with <see cref="BleuCounts.Length.Closest"/>.</param>
    public static double[] Coco(BleuCounts counts)
    {
        var ratio = (counts.HypothesisLength + Tiny) / (counts.ReferenceLength + Small);
        var penalty = ratio < 1 ? Math.Exp(1 - 1 / ratio) : 1;
        var product = 1.0;
        var scores = new double[counts.Matches.Length];
        for (var n = 0; n < scores.Length; n++)
        {
            product *= (counts.Matches[n] + Tiny) / (counts.Totals[n] + Small);
            scores[n] = Math.Pow(product, 1.0 / (n + 1)) * penalty;
        }
        return scores;
    }
}
