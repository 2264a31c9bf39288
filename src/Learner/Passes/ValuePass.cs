using DfPO.Learner.Objectives;
using DfPO.Models;
using DfPO.Models.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Passes;

/// <summary>Value estimates of the states of continuation tokens, a piece of the sequences at a time.</summary>
/// <param name="model">The value model.</param>
/// <param name="objective">Says which head values which sequence.</param>
/// <param name="pieceSize">Sequences a pass.</param>
/// <param name="device">The models' device.</param>
internal sealed class ValuePass(ValueModel model, IObjective objective, int pieceSize, Device device)
{
    public ValueModel Model => model;

    /// <summary>Estimates without a gradient: one array a sequence.</summary>
    public double[][] Estimate(IReadOnlyList<Trajectory> trajectories, int size, CancellationToken cancellation)
    {
        using var _ = no_grad();
        var estimates = new List<double[]>();
        foreach (var chunk in trajectories.Chunk(Math.Min(size, pieceSize)))
        {
            cancellation.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            var flat = Forward(chunk).ToDoubles();
            var start = 0;
            foreach (var trajectory in chunk)
            {
                estimates.Add(flat[start..(start + trajectory.Tokens.Length)]);
                start += trajectory.Tokens.Length;
            }
        }
        return [.. estimates];
    }

    /// <summary>Adds the gradient of the coefficient times the value loss to the parameters.</summary>
    /// <param name="scored">The sequences, their returns and old values.</param>
    /// <param name="clipRange">0 takes <see cref="ValueLoss.MeanSquaredError"/>, more takes <see cref="ValueLoss.Clipped"/>.</param>
    /// <param name="coefficient">Weight of the loss.</param>
    /// <returns>The loss.</returns>
    public double Backward(IReadOnlyList<ScoredTrajectory> scored, double clipRange, double coefficient)
    {
        double sum = 0,
            tokens = scored.Sum(s => s.Returns.Length);
        foreach (var piece in scored.Chunk(pieceSize))
        {
            using var scope = NewDisposeScope();
            double[] returns = Doubles(piece.SelectMany(s => s.Returns));
            var values = Forward([.. piece.Select(s => s.Trajectory)]);
            var loss =
                clipRange > 0
                    ? ValueLoss.Clipped(values, Doubles(piece.SelectMany(s => s.Values)), returns, clipRange)
                    : ValueLoss.MeanSquaredError(values, returns);
            var share = returns.Length / tokens;
            sum += share * Finite.Require(loss.ToNumber(), "the value loss");
            loss.Times(coefficient * share).backward();
        }
        return sum;
    }

    private static double[] Doubles(IEnumerable<float> numbers) => [.. numbers.Select(x => (double)x)];

    /// <summary>Values <c>[tokens]</c>, float32, sequence after sequence.</summary>
    private Tensor Forward(IReadOnlyList<Trajectory> trajectories)
    {
        using var scope = NewDisposeScope();
        var batch = TrajectoryBatch.Create(model.Trunk, trajectories, device);
        var heads = model.Heads == 1 ? null : tensor(trajectories.Select(t => (long)objective.ValueHead(t)).ToArray(), device: device);
        return batch.SelectStates(model.Values(batch.Input, heads).unsqueeze(2)).squeeze(1).MoveToOuterDisposeScope();
    }
}
