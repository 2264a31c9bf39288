using DfPO.Learner.Configuration;
using DfPO.Learner.Objectives;
using DfPO.Learner.Optimisation;
using DfPO.Models.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Passes;

/// <summary>One optimiser step on a minibatch: gradients of policy and value, clipped together.</summary>
/// <param name="policy">The policy.</param>
/// <param name="value">The value model; null for rules without one.</param>
/// <param name="objective">The update rule.</param>
/// <param name="optimizer">Steps the parameters that it was given.</param>
/// <param name="mismatched">Scores other prompts' continuations; null for rules that do not look at them.</param>
/// <param name="options">Coefficients.</param>
internal sealed class MinibatchStep(
    PolicyPass policy,
    ValuePass? value,
    IObjective objective,
    AdamW optimizer,
    MismatchedPass? mismatched,
    LearnerOptions options
)
{
    /// <summary>Steps.</summary>
    /// <param name="minibatch">The sequences.</param>
    /// <param name="stepTokens">Tokens of an average step of this pass.</param>
    /// <param name="withPolicy">Whether the policy learns, or the value model alone.</param>
    /// <param name="first">Whether this is the first epoch, in which the policy's entropy is measured and the tokens' masks are
    /// noted.</param>
    /// <param name="statistics">Receives losses, the gradient's norm, and what the rule measures.</param>
    /// <exception cref="NotFiniteNumberException">A loss or the gradient is not finite; no weight has been touched.</exception>
    public void Take(ScoredTrajectory[] minibatch, StepTokens stepTokens, bool withPolicy, bool first, Statistics statistics)
    {
        using var scope = NewDisposeScope();
        try
        {
            // The two losses share no parameter: one after the other, only one graph is held at a time.
            if (withPolicy)
                PolicyGradient(minibatch, stepTokens, first, statistics);
            if (value is not null)
                ValueGradient(value, [.. minibatch.Where(s => !s.Trajectory.IsDemonstration)], statistics);
            var norm = nn.utils.clip_grad_norm_(optimizer.Parameters.Select(p => p.Value), options.MaxGradNorm);
            statistics.Add("grad/norm", Finite.Require(norm, "the gradient's norm"));
            optimizer.Step();
        }
        finally
        {
            optimizer.ZeroGrad();
        }
    }

    private void PolicyGradient(ScoredTrajectory[] minibatch, StepTokens stepTokens, bool first, Statistics statistics)
    {
        var tokens = ScoredTrajectory.Concatenate(minibatch) with
        {
            StepTokens = stepTokens,
            MismatchedLogRatios = mismatched?.LogRatios([.. minibatch.Select(s => s.Trajectory)]),
        };
        Tensor Loss(Tensor logprobs, ReferenceScores? reference)
        {
            var loss = objective.Loss(logprobs, reference?.Beside(tokens) ?? tokens, statistics);
            statistics.Add("policy/loss", Finite.Require(loss.ToNumber(), "the policy loss"));
            return loss;
        }
        if (policy.Backward([.. minibatch.Select(s => s.Trajectory)], Loss, first, options.EntropyCoefficient) is { } entropy)
            statistics.Add("objective/entropy", entropy, tokens.Count);
        if (first && statistics.Masks is { } masks)
            foreach (var (scored, span) in minibatch.Zip(tokens.Sequences))
                for (var t = 0; t < span.Length; t++)
                    scored.Masks[t] = masks[span.Start + t];
    }

    private void ValueGradient(ValuePass model, ScoredTrajectory[] drawn, Statistics statistics) =>
        statistics.Add("value/loss", model.Backward(drawn, options.ValueClipRange, options.ValueCoefficient));
}
