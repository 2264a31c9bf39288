using System.Runtime.Intrinsics;
using DfPO.Models.Policies;

namespace DfPO.Rollout.Sampling;

/// <summary>The masks <c>M+</c> and <c>M-</c> of DfPO over one state's vocabulary.</summary>
internal static class KlMask
{
    /// <summary><c>l = log pi_theta - log pi_0</c> from two rows of logits and their normalisers. Equal models give exactly 0.</summary>
    public static void LogRatios(
        ReadOnlySpan<float> policy,
        float policyNormaliser,
        ReadOnlySpan<float> reference,
        float referenceNormaliser,
        Span<float> ratios
    )
    {
        var (p, r) = (Vector512.Create(policyNormaliser), Vector512.Create(referenceNormaliser));
        var i = 0;
        for (; i + Vector512<float>.Count <= ratios.Length; i += Vector512<float>.Count)
            ((Vector512.LoadUnsafe(in policy[i]) - p) - (Vector512.LoadUnsafe(in reference[i]) - r)).StoreUnsafe(ref ratios[i]);
        for (; i < ratios.Length; i++)
            ratios[i] = (policy[i] - policyNormaliser) - (reference[i] - referenceNormaliser);
    }

    /// <summary>Sets the logits of masked tokens to minus infinity.</summary>
    /// <param name="logits">The row.</param>
    /// <param name="ratios"><see cref="LogRatios"/> of the row.</param>
    /// <param name="weights">Unnormalised probabilities of the tokens, 0 for those already forbidden.</param>
    /// <param name="policy">Positive keeps <c>l &lt;= threshold + tau</c>, negative <c>l &gt;= threshold - tau</c>.</param>
    /// <param name="threshold">0 or the state's KL.</param>
    /// <param name="tolerance"><c>tau</c>.</param>
    /// <returns>Share of the weights retained; exactly 1 when nothing was masked.</returns>
    public static double Apply(
        Span<float> logits,
        ReadOnlySpan<float> ratios,
        ReadOnlySpan<float> weights,
        DecodingPolicy policy,
        float threshold,
        float tolerance
    )
    {
        // One comparison serves both masks: l <= limit, or -l <= -limit.
        var sign = policy == DecodingPolicy.Positive ? 1f : -1f;
        var limit = sign * threshold + tolerance;
        var (limits, none) = (Vector512.Create(limit), Vector512.Create(float.NegativeInfinity));
        double kept = 0,
            total = 0;
        var i = 0;
        while (i + Vector512<float>.Count <= logits.Length)
        {
            var (keptInBlock, totalInBlock) = (Vector512<float>.Zero, Vector512<float>.Zero);
            for (var end = Math.Min(i + 256, logits.Length - Vector512<float>.Count + 1); i < end; i += Vector512<float>.Count)
            {
                var keep = Vector512.LessThanOrEqual(Vector512.LoadUnsafe(in ratios[i]) * sign, limits);
                var weight = Vector512.LoadUnsafe(in weights[i]);
                Vector512.ConditionalSelect(keep, Vector512.LoadUnsafe(in logits[i]), none).StoreUnsafe(ref logits[i]);
                keptInBlock += keep & weight;
                totalInBlock += weight;
            }
            kept += Vector512.Sum(keptInBlock);
            total += Vector512.Sum(totalInBlock);
        }
        for (; i < logits.Length; i++)
        {
            total += weights[i];
            if (ratios[i] * sign <= limit)
                kept += weights[i];
            else
                logits[i] = float.NegativeInfinity;
        }
        return total > 0 ? kept / total : 0;
    }
}
