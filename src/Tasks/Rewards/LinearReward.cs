using DfPO.Tasks.Prompts;

namespace DfPO.Tasks.Rewards;

/// <summary>A weighted sum of rewards.</summary>
/// <param name="terms">Factors and rewards, which this one owns.</param>
public sealed class LinearReward(IReadOnlyList<(double Weight, IReward Reward)> terms) : IReward
{
    /// <inheritdoc/>
    public IReadOnlyList<float> Score(IReadOnlyList<PromptContinuation> texts)
    {
        var sums = new double[texts.Count];
        foreach (var (weight, reward) in terms)
            foreach (var (row, score) in reward.Score(texts).Index())
                sums[row] += weight * score;
        return [.. sums.Select(sum => (float)sum)];
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var (_, reward) in terms)
            reward.Dispose();
    }
}
