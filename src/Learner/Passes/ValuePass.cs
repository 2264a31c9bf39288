using DfPO.Learner.Objectives;
using DfPO.Models;
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

    /// <summary>Adds the gradient of the coefficient times <see cref="ValueLoss.MeanSquaredError"/> to the parameters.</summary>
    /// <returns>The loss.</returns>
    public double Backward(IReadOnlyList<Trajectory> trajectories, float[] returns, double coefficient)
    {
        var (sum, start) = (0.0, 0);
        foreach (var piece in trajectories.Chunk(pieceSize))
        {
            using var scope = NewDisposeScope();
            var count = piece.Sum(t => t.Tokens.Length);
            var loss = ValueLoss.MeanSquaredError(Forward(piece), returns[start..(start + count)]);
            var share = count / (double)returns.Length;
            sum += share * Finite.Require(loss.ToDouble(), "the value loss");
            (loss * (coefficient * share)).backward();
            start += count;
        }
        return sum;
    }

    /// <summary>Values <c>[tokens]</c>, float32, sequence after sequence.</summary>
    private Tensor Forward(IReadOnlyList<Trajectory> trajectories)
    {
        using var scope = NewDisposeScope();
        var batch = TeacherForcedBatch.Create(trajectories, device);
        var heads = model.Heads == 1 ? null : tensor(trajectories.Select(t => (long)objective.ValueHead(t)).ToArray(), device: device);
        return batch.SelectStates(model.Values(batch.InputIds, heads).unsqueeze(2)).squeeze(1).MoveToOuterDisposeScope();
    }
}
