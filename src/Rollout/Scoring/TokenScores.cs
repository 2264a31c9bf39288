using DfPO.Models.Policies;

namespace DfPO.Rollout.Scoring;

/// <summary>What a teacher-forced pass tells of a continuation's tokens; the reference's arrays are empty when there is none.</summary>
internal sealed record TokenScores(float[] Logprobs, float[] ReferenceLogprobs, float[] StateKl)
{
    /// <summary>Of the decoding distribution, summed over the states; 0 where the pass was told of none.</summary>
    public DecodingFigures Figures { get; set; }
}
