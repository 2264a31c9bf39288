namespace DfPO.Rollout.Scoring;

/// <summary>What a teacher-forced pass tells of a continuation's tokens; the reference's arrays are empty when there is none.</summary>
internal sealed record TokenScores(float[] Logprobs, float[] ReferenceLogprobs, float[] StateKl);
