using DfPO.Learner.Objectives;
using DfPO.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Passes;

/// <summary>Value estimates of the states of continuation tokens.</summary>
internal static class ValuePass
{
    /// <summary>Values <c>[tokens]</c>, float32, sequence after sequence; they belong to the caller's dispose scope.</summary>
    public static Tensor Forward(ValueModel model, IReadOnlyList<Trajectory> trajectories, TeacherForcedBatch batch, IObjective objective)
    {
        using var scope = NewDisposeScope();
        var heads = model.Heads == 1 ? null : tensor(trajectories.Select(t => (long)objective.ValueHead(t)).ToArray(), device: batch.States.device);
        return batch.SelectStates(model.Values(batch.Input, heads).unsqueeze(2)).squeeze(1).MoveToOuterDisposeScope();
    }

    /// <summary>Estimates without a gradient, a chunk of sequences at a time: one array a sequence.</summary>
    public static double[][] Estimate(ValueModel model, IReadOnlyList<Trajectory> trajectories, int chunkSize, IObjective objective, Device device, CancellationToken cancellation)
    {
        using var _ = no_grad();
        var estimates = new List<double[]>();
        foreach (var chunk in trajectories.Chunk(chunkSize))
        {
            cancellation.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            var flat = Forward(model, chunk, TeacherForcedBatch.Create(model.Trunk, [.. chunk.Select(t => (t.PromptTokens, t.Tokens))], device), objective).ToDoubles();
            var start = 0;
            foreach (var trajectory in chunk)
            {
                estimates.Add(flat[start..(start + trajectory.Tokens.Length)]);
                start += trajectory.Tokens.Length;
            }
        }
        return [.. estimates];
    }
}
