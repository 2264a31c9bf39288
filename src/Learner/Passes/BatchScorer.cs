using DfPO.Learner.Advantages;
using DfPO.Learner.Objectives;

namespace DfPO.Learner.Passes;

/// <summary>What the update needs of a batch's tokens before the first step: values, advantages, the ratio's denominators, importance weights.</summary>
/// <param name="policy">The policy.</param>
/// <param name="value">The value model; null for rules without one.</param>
/// <param name="objective">The update rule.</param>
/// <param name="options">Discounts and truncation.</param>
internal sealed class BatchScorer(PolicyPass policy, ValuePass? value, IObjective objective, LearnerOptions options)
{
    /// <summary>Scores continuations that were drawn.</summary>
    /// <param name="batch">All of an iteration's.</param>
    /// <param name="iteration">Updates done.</param>
    /// <param name="statistics">Receives <c>value/explained_variance</c>, and <c>async/...</c> when something is stale.</param>
    /// <param name="cancellation">Ends between two passes.</param>
    public ScoredTrajectory[] Score(IReadOnlyList<Trajectory> batch, int iteration, Statistics statistics, CancellationToken cancellation)
    {
        if (batch.Count == 0)
            return [];
        var scored = value is null ? WithoutValue(batch) : WithValue(value, batch, statistics, cancellation);
        if (objective.Traits.MaskPolicy is { HeldByLearner: true })
            scored = Masked(scored, cancellation);
        return Weighed(scored, iteration, statistics, cancellation);
    }

    private ScoredTrajectory[] WithoutValue(IReadOnlyList<Trajectory> batch) =>
        [.. batch.Zip(objective.Advantages(batch), (t, a) => new ScoredTrajectory(t, Floats(a), new float[a.Length]))];

    private ScoredTrajectory[] WithValue(ValuePass model, IReadOnlyList<Trajectory> batch, Statistics statistics, CancellationToken cancellation)
    {
        var lambda = objective.Traits.Lambda ?? options.Lambda;
        var values = model.Estimate(batch, options.MinibatchSize, cancellation);
        var estimates = batch.Zip(values, (t, v) => GeneralizedAdvantageEstimation.Episode(objective.TokenRewards(t), v, options.Gamma, lambda)).ToArray();
        statistics.Add("value/explained_variance", ValueLoss.ExplainedVariance([.. values.SelectMany(v => v)], [.. estimates.SelectMany(e => e.Returns)]));
        return [.. batch.Select((t, i) => new ScoredTrajectory(t, Floats(estimates[i].Advantages), Floats(estimates[i].Returns)) { Values = Floats(values[i]) })];
    }

    /// <summary>The ratio is one of masked, renormalised policies, both as the learner computes them.</summary>
    private ScoredTrajectory[] Masked(ScoredTrajectory[] scored, CancellationToken cancellation)
    {
        var (logprobs, inside) = policy.Estimate([.. scored.Select(s => s.Trajectory)], options.MinibatchSize, cancellation);
        return [.. scored.Select((s, i) => s with { OldLogprobs = logprobs[i], InsideMask = inside![i] })];
    }

    /// <summary>
    /// Trajectories of older weights: the ratio's denominator becomes the learner's own policy, and the token's weight <c>min(pi_learner / pi_rollout, c)</c>, both as the
    /// update begins (decoupled as by Hilton et al. 2022, truncated as V-trace's rho by Espeholt et al. 2018). The value's targets are left as they are.
    /// </summary>
    private ScoredTrajectory[] Weighed(ScoredTrajectory[] scored, int iteration, Statistics statistics, CancellationToken cancellation)
    {
        if (options.ImportanceTruncation == 0 || !scored.Any(s => s.Trajectory.WeightsVersion < iteration))
            return scored;
        int[] stale = [.. Enumerable.Range(0, scored.Length).Where(i => scored[i].Trajectory.WeightsVersion < iteration)];
        // Under a mask the learner's own are known by now.
        var own = objective.Traits.MaskPolicy is { HeldByLearner: true }
            ? [.. stale.Select(i => scored[i].OldLogprobs)]
            : policy.Estimate([.. stale.Select(i => scored[i].Trajectory)], options.MinibatchSize, cancellation).Logprobs;
        ScoredTrajectory[] weighed = [.. scored];
        foreach (var (i, logprobs) in stale.Zip(own))
        {
            var weights = ImportanceWeights.Truncated(logprobs, RolloutLogprobs(scored[i]), options.ImportanceTruncation, statistics);
            weighed[i] = scored[i] with { Importance = weights, OldLogprobs = logprobs };
        }
        statistics.Add("async/stale_fraction", stale.Length, scored.Length);
        return weighed;
    }

    /// <summary>Of the policy that was rolled out: under a mask, renormalised by what it retained.</summary>
    private static float[] RolloutLogprobs(ScoredTrajectory scored)
    {
        var (logprobs, mass) = (scored.Trajectory.Logprobs, scored.Trajectory.RetainedMass);
        return scored.InsideMask is null || mass.Length == 0 ? logprobs : [.. logprobs.Zip(mass, (logprob, z) => logprob - MathF.Log(z))];
    }

    private static float[] Floats(double[] numbers) => [.. numbers.Select(x => (float)x)];
}
