using DfPO.Models.Policies;

namespace DfPO.Rollout;

/// <summary>A continuation and what is known of each of its tokens; all arrays are as long as <see cref="Tokens"/>.</summary>
public sealed record GeneratedSequence
{
    /// <summary>The prompt's token ids, without padding.</summary>
    public required int[] PromptTokens { get; init; }

    /// <summary>The continuation's token ids, the end-of-text token included when it was drawn.</summary>
    public required int[] Tokens { get; init; }

    /// <summary><c>log pi_theta(a|s)</c> of the full, unmasked, temperature-1 softmax, in nats.</summary>
    public required float[] Logprobs { get; init; }

    /// <summary><c>log pi_0(a|s)</c> of the reference model; empty when the engine has none.</summary>
    public required float[] ReferenceLogprobs { get; init; }

    /// <summary><c>KL(pi_theta || pi_0)</c> over the vocabulary at each state, of the policy itself and not of what was drawn from (<see cref="Figures"/>); empty without a reference model.</summary>
    public required float[] StateKl { get; init; }

    /// <summary>Probability <c>Z</c> that the mask retained at each step, of NLPO's mask in the full softmax; 1 where no mask applied or it was skipped; empty when sampled without mask and reference model.</summary>
    public required float[] RetainedMass { get; init; }

    /// <summary>Cross-entropy, entropy and KL of the distributions that were really drawn from, summed over the states; null without a reference model, and of a beam search, which draws nothing.</summary>
    public DecodingFigures? Figures { get; init; }

    /// <summary>Steps at which the mask was skipped, from 0, in order.</summary>
    public int[] SkippedMaskSteps { get; init; } = [];

    /// <summary>How many steps those are.</summary>
    public int SkippedMasks => SkippedMaskSteps.Length;

    /// <summary>Whether the end-of-text token ended it, rather than the length limit.</summary>
    public bool Finished { get; init; }

    // By the next two, tests check samplers and beams against the original implementations. Nothing learns from them, so they do not travel.

    /// <summary>Log-probability under the distribution that was sampled (masked, filtered, tempered, renormalised); empty in a beam search.</summary>
    internal float[] SamplingLogprobs { get; init; } = [];

    /// <summary>A beam search's score: summed log-probability, after penalties, divided by length to the length penalty; 0 where tokens were sampled.</summary>
    internal float Score { get; init; }
}
