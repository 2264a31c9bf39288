using System.Runtime.InteropServices;
using DfPO.Rollout;

namespace DfPO.Actors.Work;

/// <summary>Compares results of a unit bit for bit, as two machines of one class make them.</summary>
public static class UnitResultBits
{
    /// <summary>Whether two results are the same bits, in everything that is learnt from.</summary>
    public static bool AreEqual(UnitResult first, UnitResult second) =>
        (first, second) switch
        {
            (RewardResult a, RewardResult b) => Same([.. a.Rewards], [.. b.Rewards]),
            (RolloutResult a, RolloutResult b) => a.Sequences.Count == b.Sequences.Count
                && a.Sequences.Zip(b.Sequences).All(pair => Same(pair.First, pair.Second)),
            _ => false,
        };

    private static bool Same(GeneratedSequence a, GeneratedSequence b) =>
        a.Finished == b.Finished
        && a.PromptTokens.AsSpan().SequenceEqual(b.PromptTokens)
        && a.Tokens.AsSpan().SequenceEqual(b.Tokens)
        && a.SkippedMaskSteps.AsSpan().SequenceEqual(b.SkippedMaskSteps)
        && Same(a.Logprobs, b.Logprobs)
        && Same(a.ReferenceLogprobs, b.ReferenceLogprobs)
        && Same(a.StateKl, b.StateKl)
        && Same(a.RetainedMass, b.RetainedMass)
        && Same(a.Figures?.CrossEntropy, b.Figures?.CrossEntropy)
        && Same(a.Figures?.Kl, b.Figures?.Kl);

    private static bool Same(float[] a, float[] b) => MemoryMarshal.AsBytes(a.AsSpan()).SequenceEqual(MemoryMarshal.AsBytes(b.AsSpan()));

    private static bool Same(double? a, double? b) =>
        a.HasValue == b.HasValue && BitConverter.DoubleToInt64Bits(a ?? 0) == BitConverter.DoubleToInt64Bits(b ?? 0);
}
