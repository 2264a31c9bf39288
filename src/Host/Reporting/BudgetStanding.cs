using DfPO.Actors.Experiments;
using DfPO.Tasks.Metrics;

namespace DfPO.Host.Reporting;

/// <summary>How a run stands to its KL budget.</summary>
/// <param name="Budget">The budget, nats a token.</param>
/// <param name="HeldOut">KL of the final weights on held-out prompts.</param>
/// <param name="Since">The iteration whose rollouts first came near the budget; null while none has.</param>
/// <param name="Iterations">Iterations from there to the end.</param>
/// <param name="Mean">Mean KL of their rollouts; of the last iteration's while none has come near.</param>
/// <param name="Most">The highest of them.</param>
internal sealed record BudgetStanding(double Budget, Interval HeldOut, int? Since, int Iterations, double Mean, double Most)
{
    /// <summary>The share of the budget that counts as near it: with updates of both signs the KL wavers below the bound.</summary>
    private const double Near = 0.9;

    /// <summary>From a run's figures.</summary>
    /// <param name="budget">The budget, nats a token.</param>
    /// <param name="after">Held-out figures of the final weights under <c>pi_theta</c>.</param>
    /// <param name="rollouts">KL of each iteration's rollouts, in order; at least one.</param>
    public static BudgetStanding Of(double budget, EvaluationReport after, IReadOnlyList<(int Iteration, double Kl)> rollouts)
    {
        var heldOut = after.Intervals.TryGetValue("kl", out var interval) ? interval : Interval.Of(after.Metrics.Kl);
        var reached = rollouts.SkipWhile(rollout => rollout.Kl < Near * budget).ToArray();
        return reached.Length == 0
            ? new(budget, heldOut, null, 0, rollouts[^1].Kl, rollouts.Max(rollout => rollout.Kl))
            : new(
                budget,
                heldOut,
                reached[0].Iteration,
                reached.Length,
                reached.Average(rollout => rollout.Kl),
                reached.Max(rollout => rollout.Kl)
            );
    }

    /// <summary>The same in words.</summary>
    public string Sentence =>
        $"KL budget {Verdict.Figure(Budget)} nats a token: {Verdict.Figure(HeldOut.Estimate)} {FigureTable.Brackets(HeldOut, Verdict.Figure)} on held-out prompts; "
        + (
            Since is { } since
                ? $"the rollouts came within a tenth of it in iteration {since} and have stood there for {Iterations} iterations, at {Verdict.Figure(Mean)} on average and {Verdict.Figure(Most)} at most."
                : $"no rollouts have come within a tenth of it yet, the last ones had {Verdict.Figure(Mean)}."
        );
}
