using DfPO.Models;
using DfPO.Tasks.Prompts;

namespace DfPO.Tasks.Rewards;

/// <summary>A reward that looks at one text at a time.</summary>
/// <param name="score">The score of a text.</param>
public sealed class TextReward(Func<PromptContinuation, double> score) : IReward
{
    /// <inheritdoc/>
    public IReadOnlyList<float> Score(IReadOnlyList<PromptContinuation> texts) => [.. texts.Select(text => (float)score(text))];

    /// <inheritdoc/>
    public void Dispose() { }
}

internal static class PromptContinuationExtensions
{
    /// <summary>The text that a reward of that scope reads.</summary>
    public static string Read(this PromptContinuation text, RewardScope scope) =>
        scope == RewardScope.Whole ? text.Prompt + text.Continuation : text.Continuation;

    /// <summary>The references, of which a reward by comparison needs at least one.</summary>
    public static IReadOnlyList<string> NeedReferences(this PromptContinuation text, string reward) =>
        text.References.Count > 0
            ? text.References
            : throw new DfpoException(
                "reward/references",
                $"The prompt '{Shortened(text.Prompt)}' has no reference, which the reward '{reward}' compares with: use a data set with references, or another reward."
            );

    /// <summary>The concepts, of which a reward on coverage needs at least one.</summary>
    public static IReadOnlyList<string> NeedConcepts(this PromptContinuation text, string reward) =>
        text.Concepts.Count > 0
            ? text.Concepts
            : throw new DfpoException(
                "reward/concepts",
                $"The prompt '{Shortened(text.Prompt)}' has no concepts, which the reward '{reward}' looks for: use a data set with concepts, or another reward."
            );

    private static string Shortened(string text) => text.Length <= 60 ? text : text[..60] + "...";
}
