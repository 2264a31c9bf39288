using DfPO.Models;
using DfPO.Tasks.Prompts;

namespace DfPO.Tasks.Rewards;

/// <summary>A reward whose scores are looked at before anyone learns from them.</summary>
/// <param name="name">Its name, for messages.</param>
/// <param name="reward">The reward, which this one owns.</param>
public sealed class CheckedReward(string name, IReward reward) : IReward
{
    /// <inheritdoc/>
    /// <exception cref="DfpoException"><c>reward/count</c>: not one score a text; <c>reward/not-finite</c>: NaN or infinity.</exception>
    public IReadOnlyList<float> Score(IReadOnlyList<PromptContinuation> texts)
    {
        var scores = reward.Score(texts);
        if (scores.Count != texts.Count)
            throw new DfpoException(
                "reward/count",
                $"The reward '{name}' gave {scores.Count} scores for {texts.Count} texts: it must give one a text, in their order."
            );
        foreach (var (row, score) in scores.Index())
            if (!float.IsFinite(score))
                throw new DfpoException(
                    "reward/not-finite",
                    $"The reward '{name}' gave {score} for text {row + 1} of {texts.Count}: a reward must be a finite number."
                );
        return scores;
    }

    /// <inheritdoc/>
    public void Dispose() => reward.Dispose();
}
