using DfPO.Models.Policies;

namespace DfPO.Rollout;

/// <summary>A continuation that an engine made, and what else is known of how it was drawn.</summary>
public sealed record GeneratedSequence : TokenSequence
{
    /// <summary>
    /// Cross-entropy, entropy and KL of the distributions that were really drawn from, summed over the states; null without a reference
    /// model, and of a beam search, which draws nothing.
    /// </summary>
    public DecodingFigures? Figures { get; init; }

    /// <summary>Steps at which the mask was skipped.</summary>
    public int SkippedMasks => SkippedMaskSteps.Length;

    /// <summary>Whether the end-of-text token ended it, rather than the length limit.</summary>
    public bool Finished { get; init; }

    // By the next two, tests check samplers and beams against the original implementations. Nothing learns from them, so they do not
    // travel.

    /// <summary>
    /// Log-probability under the distribution that was sampled (masked, filtered, tempered, renormalised); empty in a beam search.
    /// </summary>
    internal float[] SamplingLogprobs { get; init; } = [];

    /// <summary>
    /// A beam search's score: summed log-probability, after penalties, divided by length to the length penalty; 0 where tokens were
    /// sampled.
    /// </summary>
    internal float Score { get; init; }
}
