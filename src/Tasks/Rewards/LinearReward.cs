using DfPO.Tasks.Prompts;

namespace DfPO.Tasks.Rewards;

/// <summary>A weighted sum of rewards.</summary>
/// <param name="terms">Factors and rewards, which this one owns.</param>
public sealed class LinearReward(IReadOnlyList<(double Weight, IReward Reward)> terms) : IReward
{
    /// <inheritdoc/>
    public IReadOnlyList<float> Score(IReadOnlyList<PromptContinuation> texts) => Explain(texts).Totals;

    /// <inheritdoc/>
    public RewardScores Explain(IReadOnlyList<PromptContinuation> texts)
    {
        var sums = new double[texts.Count];
        IReadOnlyList<float>[] parts = [.. terms.Select(term => term.Reward.Score(texts))];
        foreach (var (term, scores) in terms.Zip(parts))
            foreach (var (row, score) in scores.Index())
                sums[row] += term.Weight * score;
        return new([.. sums.Select(sum => (float)sum)], parts);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var (_, reward) in terms)
            reward.Dispose();
    }
}
