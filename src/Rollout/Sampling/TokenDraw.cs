using DfPO.Models.Policies;

namespace DfPO.Rollout.Sampling;

/// <summary>One drawn token and what is known of its state; the fields are those of <see cref="GeneratedSequence"/>.</summary>
internal readonly record struct TokenDraw(
    int Token,
    float Logprob,
    float SamplingLogprob,
    float ReferenceLogprob,
    float StateKl,
    float RetainedMass,
    bool SkippedMask
)
{
    /// <summary>The state's share; 0 where the sampler has no reference.</summary>
    public DecodingFigures Figures { get; init; }
}
