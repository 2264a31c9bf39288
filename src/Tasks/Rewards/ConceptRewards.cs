using DfPO.Tasks.Metrics;

namespace DfPO.Tasks.Rewards;

/// <summary>Rewards of CommonGen that look for the concepts.</summary>
public static class ConceptRewards
{
    private static readonly string[] s_instruction = ["generate a sentence with", "generate", "sentence"];

    /// <summary>Share of the concepts that the continuation uses.</summary>
    public static IReward Coverage(ConceptCoverage coverage) =>
        new TextReward(text => coverage.Score(text.Continuation, text.NeedConcepts("coverage")));

    /// <summary>
    /// -1 where the continuation repeats the concepts as the prompt lists them, or words of the instruction, else 0: the base library's
    /// shaping, which keeps the policy from collecting reward by copying.
    /// </summary>
    /// <remarks>As there, texts are compared letter by letter: <c>a dog catches</c> repeats <c>dog catch</c>.</remarks>
    public static IReward RepeatPenalty() =>
        new TextReward(text =>
        {
            var continuation = text.Continuation.ToLowerInvariant();
            return s_instruction
                .Append(string.Join(' ', text.NeedConcepts("repeat-penalty")).ToLowerInvariant())
                .Any(part => continuation.Contains(part, StringComparison.Ordinal))
                ? -1
                : 0;
        });
}
