using DfPO.Learner.Objectives;
using DfPO.Learner.Optimisation;
using DfPO.Models.Layers;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DfPO.Learner.Passes;

/// <summary>
/// TRPO's step; see <see cref="TrpoObjective"/>. It holds about seven vectors of the policy's size, and the old distributions
/// <c>[tokens, vocabulary]</c> of the batch.
/// </summary>
/// <param name="policy">The policy.</param>
/// <param name="options">Size of the region, and how hard to search.</param>
internal sealed class TrustRegionStep(PolicyPass policy, TrpoOptions options)
{
    private readonly Parameter[] _parameters = [.. policy.Model.TrainedParameters().Select(p => p.parameter)];

    /// <summary>Moves the policy, or leaves it where it is when no step of the line search is good enough.</summary>
    /// <param name="objective">Gives the surrogate to minimise.</param>
    /// <param name="batch">The whole batch.</param>
    /// <param name="statistics">Receives <c>policy/loss</c>, <c>objective/entropy</c>, <c>trpo/step_kl</c>, <c>trpo/improvement</c> and
    /// <c>trpo/step_size</c>, the share of the full step that was taken.</param>
    public void Take(IObjective objective, IReadOnlyList<ScoredTrajectory> batch, Statistics statistics)
    {
        using var scope = NewDisposeScope();
        var sequences = batch.Select(s => s.Trajectory).ToArray();
        var tokens = ScoredTrajectory.Concatenate(batch);
        var before = 0.0;
        var entropy = policy.Backward(
            sequences,
            (logprobs, _) =>
            {
                var loss = objective.Loss(logprobs, tokens, statistics);
                before = Finite.Require(loss.ToNumber(), "the policy loss");
                return loss;
            },
            withEntropy: true
        );
        statistics.Add("policy/loss", before);
        statistics.Add("objective/entropy", entropy!.Value, tokens.Count);
        var descent = TakeGradient().neg();
        var fisher = new FisherProduct(policy, sequences);
        Tensor Damped(Tensor v) => fisher.Times(v).Increase(v, options.Damping);
        var direction = ConjugateGradient.Solve(Damped, descent, options.ConjugateGradientIterations);
        var curvature = Finite.Require(direction.dot(Damped(direction)).ToNumber(), "the natural gradient's curvature");
        var share =
            curvature > 0
                ? Search(direction.Times(Math.Sqrt(2 * options.MaxStepKl / curvature)), objective, sequences, tokens, before, statistics)
                : 0;
        statistics.Add("trpo/step_size", share);
    }

    private double Search(
        Tensor full,
        IObjective objective,
        Trajectory[] sequences,
        TokenBatch tokens,
        double before,
        Statistics statistics
    )
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var start = FisherProduct.Flat(_parameters);
        var pieces = policy.Pieces(sequences);
        Tensor[] old = [.. pieces.Select(piece => FisherProduct.LogDistributions(policy, piece))];
        var share = 1.0;
        for (var i = 0; i < options.LineSearchSteps; i++, share *= options.LineSearchFactor)
        {
            using var inner = NewDisposeScope();
            SetParameters(start.Plus(full.Times(share)));
            var (kl, loss) = Measure(objective, pieces, old, tokens);
            if (kl < options.MaxStepKl && loss < before)
            {
                statistics.Add("trpo/step_kl", kl);
                statistics.Add("trpo/improvement", before - loss);
                return share;
            }
        }
        SetParameters(start);
        return 0;
    }

    private (double Kl, double Loss) Measure(IObjective objective, IReadOnlyList<Trajectory[]> pieces, Tensor[] old, TokenBatch tokens)
    {
        var (kl, logprobs) = (0.0, new List<Tensor>());
        foreach (var (piece, before) in pieces.Zip(old))
        {
            var now = FisherProduct.LogDistributions(policy, piece);
            kl += (before.exp() * (before - now)).sum().ToNumber();
            long[] actions = [.. piece.SelectMany(t => t.Tokens).Select(t => (long)t)];
            logprobs.Add(now.gather(1, tensor(actions, device: policy.Device).unsqueeze(1)).squeeze(1));
            now.Dispose();
        }
        // The line search's trials are not figures of the update.
        return (kl / tokens.Count, objective.Loss(cat(logprobs), tokens, new Statistics()).ToNumber());
    }

    private Tensor TakeGradient()
    {
        using var scope = NewDisposeScope();
        var flat = FisherProduct.Flat(_parameters.Select(p => p.grad ?? zeros_like(p)));
        foreach (var parameter in _parameters)
            parameter.grad = null;
        return flat.MoveToOuterDisposeScope();
    }

    private void SetParameters(Tensor flat)
    {
        var start = 0L;
        foreach (var parameter in _parameters)
        {
            using var scope = NewDisposeScope();
            parameter.copy_(flat.narrow(0, start, parameter.numel()).view(parameter.shape));
            start += parameter.numel();
        }
    }
}
