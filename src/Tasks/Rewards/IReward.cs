using DfPO.Tasks.Prompts;

namespace DfPO.Tasks.Rewards;

/// <summary>Scores texts in batches. Not thread-safe: a reward worker owns one.</summary>
public interface IReward : IDisposable
{
    /// <summary>One finite score a text, in the order given.</summary>
    /// <exception cref="DfPO.Models.DfpoException"><c>reward/not-finite</c>: the reward gave NaN or infinity.</exception>
    IReadOnlyList<float> Score(IReadOnlyList<PromptContinuation> texts);
}
