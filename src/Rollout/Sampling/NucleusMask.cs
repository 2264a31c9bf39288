using DfPO.Models;

namespace DfPO.Rollout.Sampling;

/// <summary>NLPO's mask over one state's vocabulary: the likeliest tokens of a mask policy, and those that end a text.</summary>
internal static class NucleusMask
{
    /// <summary>The tokens that may be drawn.</summary>
    /// <param name="mask">The mask policy's logits.</param>
    /// <param name="topP">Probability under the mask policy that the allowed tokens reach, in (0, 1]; the token that crosses it is
    /// allowed.</param>
    /// <param name="least">Tokens that are allowed at least.</param>
    /// <param name="endOfText">Tokens that are always allowed.</param>
    /// <param name="allowed">Receives the mask policy's logits of the allowed tokens and minus infinity for the others; a vocabulary
    /// long.</param>
    public static void Allow(ReadOnlySpan<float> mask, double topP, int least, EndOfText endOfText, Span<float> allowed)
    {
        mask.CopyTo(allowed);
        LogitFilters.TopP(allowed, topP, least);
        foreach (var end in endOfText.Ids)
            allowed[end] = mask[end];
    }

    /// <summary>Sets the logits of tokens that are not <paramref name="allowed"/> to minus infinity.</summary>
    /// <returns>Whether any token is left.</returns>
    public static bool Apply(Span<float> logits, ReadOnlySpan<float> allowed)
    {
        var left = false;
        for (var token = 0; token < logits.Length; token++)
        {
            if (float.IsNegativeInfinity(allowed[token]))
                logits[token] = float.NegativeInfinity;
            left |= logits[token] > float.NegativeInfinity;
        }
        return left;
    }

    /// <summary>Share of the weights that the allowed tokens have.</summary>
    public static double Mass(ReadOnlySpan<float> allowed, ReadOnlySpan<float> weights)
    {
        double kept = 0,
            total = 0;
        for (var token = 0; token < weights.Length; token++)
        {
            total += weights[token];
            if (allowed[token] > float.NegativeInfinity)
                kept += weights[token];
        }
        return kept / total;
    }
}
