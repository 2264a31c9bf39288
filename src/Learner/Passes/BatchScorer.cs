using DfPO.Learner.Advantages;
using DfPO.Learner.Configuration;
using DfPO.Learner.Objectives;
using DfPO.Models;

namespace DfPO.Learner.Passes;

/// <summary>
/// What the update needs of a batch's tokens before the first step: values, advantages, the ratio's denominators, importance weights.
/// </summary>
/// <param name="policy">The policy.</param>
/// <param name="value">The value model; null for rules without one.</param>
/// <param name="objective">The update rule.</param>
/// <param name="options">Discounts and truncation.</param>
/// <param name="reference"><c>pi_0</c>, for older rollouts of masked policies; null where there is none.</param>
internal sealed class BatchScorer(
    PolicyPass policy,
    ValuePass? value,
    IObjective objective,
    LearnerOptions options,
    LanguageModel? reference
)
{
    /// <summary>Scores continuations that were drawn.</summary>
    /// <param name="batch">All of an iteration's.</param>
    /// <param name="iteration">Updates done.</param>
    /// <param name="policyLearns">Whether the policy will be pushed, or the value model alone.</param>
    /// <param name="statistics">Receives <c>value/explained_variance</c>, <c>rollout_is/...</c>, and <c>async/stale_fraction</c> when
    /// something is stale.</param>
    /// <param name="cancellation">Ends between two passes.</param>
    public ScoredTrajectory[] Score(
        IReadOnlyList<Trajectory> batch,
        int iteration,
        bool policyLearns,
        Statistics statistics,
        CancellationToken cancellation
    )
    {
        if (batch.Count == 0)
            return [];
        var scored = value is null ? WithoutValue(batch) : WithValue(value, batch, statistics, cancellation);
        var corrects = options.RolloutCorrection != RolloutCorrection.None;
        return policyLearns && objective.Traits.SamplesPerPrompt > 0 && (objective.Traits.ComparesPolicies || corrects)
            ? Compared(scored, iteration, corrects, statistics, cancellation)
            : scored;
    }

    private ScoredTrajectory[] WithoutValue(IReadOnlyList<Trajectory> batch) =>
        [.. batch.Zip(objective.Advantages(batch), (t, a) => new ScoredTrajectory(t, Floats(a), new float[a.Length]))];

    private ScoredTrajectory[] WithValue(
        ValuePass model,
        IReadOnlyList<Trajectory> batch,
        Statistics statistics,
        CancellationToken cancellation
    )
    {
        var lambda = objective.Traits.Lambda ?? options.Lambda;
        // The state after the last token is that of one more token, whatever it is.
        bool GoesOn(Trajectory t) => options.BootstrapTruncated && t.Truncated;
        var all = model.Estimate(
            [.. batch.Select(t => GoesOn(t) ? t with { Tokens = [.. t.Tokens, t.Tokens[^1]] } : t)],
            options.MinibatchSize,
            cancellation
        );
        double[][] values = [.. batch.Zip(all, (t, v) => v[..t.Tokens.Length])];
        var rewards = objective.FinishRewards([.. batch.Select(objective.TokenRewards)]);
        var estimates = batch
            .Select(
                (t, i) =>
                    GeneralizedAdvantageEstimation.Episode(rewards[i], values[i], options.Gamma, lambda, GoesOn(t) ? all[i][^1] : null)
            )
            .ToArray();
        statistics.Add(
            "value/explained_variance",
            ValueLoss.ExplainedVariance([.. values.SelectMany(v => v)], [.. estimates.SelectMany(e => e.Returns)])
        );
        return
        [
            .. batch.Select(
                (t, i) =>
                    new ScoredTrajectory(t, Floats(estimates[i].Advantages), Floats(estimates[i].Returns)) { Values = Floats(values[i]) }
            ),
        ];
    }

    /// <summary>
    /// What the policy's current log-probabilities are compared with, as the learner itself computes it when the update begins: an engine's
    /// numbers come from other kernels, maybe in another precision, and maybe from older weights. What lies between engine and learner is
    /// left to the importance weights (decoupled as by Hilton et al. 2022). The value's targets are left as they are.
    /// </summary>
    private ScoredTrajectory[] Compared(
        ScoredTrajectory[] scored,
        int iteration,
        bool corrects,
        Statistics statistics,
        CancellationToken cancellation
    )
    {
        var (own, inside) = policy.Estimate([.. scored.Select(s => s.Trajectory)], options.MinibatchSize, cancellation);
        bool Stale(ScoredTrajectory s) => s.Trajectory.WeightsVersion < iteration;
        ScoredTrajectory[] compared =
        [
            .. scored.Select(
                (s, i) =>
                    s with
                    {
                        OldLogprobs = own[i],
                        ReferenceLogprobs = inside is null && !Stale(s) ? Shifted(s.Trajectory, own[i]) : s.Trajectory.ReferenceLogprobs,
                        InsideMask = inside?[i],
                    }
            ),
        ];
        var stale = compared.Count(Stale);
        if (stale > 0)
            statistics.Add("async/stale_fraction", stale, compared.Length);
        if (!corrects)
            return compared;
        var (learner, rollout) = (own, compared.Select(RolloutLogprobs).ToArray());
        if (objective.Traits.KlMask is { } mask && stale > 0)
            Remask(
                compared,
                [.. Enumerable.Range(0, compared.Length).Where(i => Stale(compared[i]))],
                mask,
                learner,
                rollout,
                cancellation
            );
        var weights = ImportanceWeights.Truncated(learner, rollout, options.RolloutCorrection, options.ImportanceTruncation, statistics);
        return [.. compared.Select((s, i) => s with { Importance = weights[i] })];
    }

    /// <summary>
    /// Older samples of <c>pi+</c> or <c>pi-</c> count as samples of what is <c>pi+</c> or <c>pi-</c> now: both sides are renormalised by
    /// what their masks retain. Of fresh samples the two are the same.
    /// </summary>
    private void Remask(
        ScoredTrajectory[] compared,
        int[] stale,
        KlMaskTraits mask,
        float[][] learner,
        float[][] rollout,
        CancellationToken cancellation
    )
    {
        if (reference is null)
            throw new DfpoException(
                "learner/model",
                "Rollouts of older masked policies are weighed by what the masks retain, for which the learner needs the reference model: give it one, or set 'rollout-correction' to none."
            );
        var size = Math.Min(options.MinibatchSize, policy.PieceSize);
        var now = new RetainedMass(policy.Model, reference, mask).Logs(
            [.. stale.Select(i => compared[i].Trajectory)],
            size,
            policy.Device,
            cancellation
        );
        foreach (var (i, logs) in stale.Zip(now))
        {
            var then = compared[i].Trajectory.RetainedMass;
            learner[i] = [.. learner[i].Zip(logs, (logprob, z) => logprob - z)];
            rollout[i] = [.. rollout[i].Select((logprob, t) => then.Length == 0 ? logprob : logprob - MathF.Log(then[t]))];
        }
    }

    /// <summary>
    /// The reference's log-probabilities at the learner's: the two models of an engine run the same kernels, so that their difference is
    /// right, and 0 where they are the same.
    /// </summary>
    private static float[] Shifted(Trajectory trajectory, float[] own) =>
        [.. own.Select((logprob, t) => logprob - (trajectory.Logprobs[t] - trajectory.ReferenceLogprobs[t]))];

    /// <summary>Of the policy that was rolled out: under a mask, renormalised by what it retained.</summary>
    private static float[] RolloutLogprobs(ScoredTrajectory scored)
    {
        var (logprobs, mass) = (scored.Trajectory.Logprobs, scored.Trajectory.RetainedMass);
        return scored.InsideMask is null || mass.Length == 0 ? logprobs : [.. logprobs.Zip(mass, (logprob, z) => logprob - MathF.Log(z))];
    }

    private static float[] Floats(double[] numbers) => [.. numbers.Select(x => (float)x)];
}
