using System.Diagnostics;
using DfPO.Actors.Weights;
using DfPO.Models;
using DfPO.Models.Diagnostics;
using DfPO.Tasks.Rewards;

namespace DfPO.Actors.Work;

/// <summary>A reward on one device.</summary>
/// <param name="reward">Owned by the executor.</param>
public sealed class RewardExecutor(IReward reward) : IUnitExecutor
{
    /// <inheritdoc/>
    public string SpanName => DfpoTelemetry.Spans.Score;

    /// <inheritdoc/>
    public string HeldDigest => "";

    /// <inheritdoc/>
    public string HeldMask => "";

    /// <inheritdoc/>
    public void Apply(WeightsRef weights, string file, ActivityContext parent) =>
        throw new DfpoException("worker/unit", "A reward worker takes no policy weights.");

    /// <inheritdoc/>
    public void ApplyMask(WeightsRef weights, string file, ActivityContext parent) => Apply(weights, file, parent);

    /// <inheritdoc/>
    public UnitResult Execute(WorkUnit unit, CancellationToken cancellation)
    {
        if (unit is not RewardUnit texts)
            throw new DfpoException("worker/unit", $"Unit {unit.Id} is not for a reward worker.");
        var (scores, terms) = reward.Explain(texts.Texts);
        if (scores.Count != texts.Texts.Count || scores.Any(score => !float.IsFinite(score)))
            throw new DfpoException(
                "reward/not-finite",
                $"The reward gave {scores.Count} scores for {texts.Texts.Count} texts, or one that is not finite."
            );
        return new RewardResult(scores) { Terms = terms };
    }

    /// <inheritdoc/>
    public void Dispose() => reward.Dispose();
}
