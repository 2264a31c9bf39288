using DfPO.Tasks.Prompts;

namespace DfPO.Tasks.Rewards;

/// <summary>Scores texts in batches. Not thread-safe: a reward worker owns one.</summary>
public interface IReward : IDisposable
{
    /// <summary>One finite score a text, in the order given.</summary>
    /// <exception cref="DfPO.Models.DfpoException"><c>reward/not-finite</c>: the reward gave NaN or infinity.</exception>
    IReadOnlyList<float> Score(IReadOnlyList<PromptContinuation> texts);

    /// <summary>As <see cref="Score"/>, with what each term of a combination gave.</summary>
    RewardScores Explain(IReadOnlyList<PromptContinuation> texts) => new(Score(texts), []);
}

/// <summary>Scores of texts.</summary>
/// <param name="Totals">One a text.</param>
/// <param name="Terms">Of a combination: for each term its scores before its factor, one a text; else empty.</param>
public sealed record RewardScores(IReadOnlyList<float> Totals, IReadOnlyList<IReadOnlyList<float>> Terms);
