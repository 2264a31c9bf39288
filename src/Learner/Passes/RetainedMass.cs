using DfPO.Learner.Objectives;
using DfPO.Models;
using DfPO.Models.Layers;
using DfPO.Models.Policies;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Passes;

/// <summary>
/// What <c>pi+</c> and <c>pi-</c> retain of the learner's policy, for rollouts of older weights: those masked, and renormalised, by what
/// was there then.
/// </summary>
/// <param name="policy">The policy.</param>
/// <param name="reference"><c>pi_0</c>.</param>
/// <param name="mask">How the log-ratio masks.</param>
internal sealed class RetainedMass(LanguageModel policy, LanguageModel reference, KlMaskTraits mask)
{
    private const long SliceElements = 1 << 21;

    /// <summary>
    /// <c>log Z</c> of each sequence's behaviour at the states of its tokens, an array a sequence; infinite where the token itself is
    /// masked, which such a policy would not have drawn.
    /// </summary>
    /// <param name="sequences">Samples of <c>pi+</c> or <c>pi-</c>.</param>
    /// <param name="size">Most sequences a pass.</param>
    /// <param name="device">The models' device.</param>
    /// <param name="cancellation">Ends between two passes.</param>
    public float[][] Logs(IReadOnlyList<Trajectory> sequences, int size, Device device, CancellationToken cancellation)
    {
        using var _ = no_grad();
        var logs = new List<float[]>();
        foreach (var piece in sequences.Chunk(size))
        {
            cancellation.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            var batch = TrajectoryBatch.Create(policy, piece, device);
            var (ours, theirs) = (batch.SelectStates(policy.Hidden(batch.Input)), batch.SelectStates(reference.Hidden(batch.Input)));
            float[] signs = [.. piece.SelectMany(t => t.Tokens.Select(_ => t.Behaviour == DecodingPolicy.Positive ? 1f : -1f))];
            var flat = Logs(ours, theirs, batch.Actions, tensor(signs, device: device)).cpu().data<float>().ToArray();
            var start = 0;
            foreach (var sequence in piece)
                logs.Add(flat[start..(start += sequence.Tokens.Length)]);
        }
        return [.. logs];
    }

    private Tensor Logs(Tensor ours, Tensor theirs, Tensor tokens, Tensor signs)
    {
        using var scope = NewDisposeScope();
        var logs = new List<Tensor>();
        long rows = ours.size(0),
            step = Math.Max(1, SliceElements / policy.VocabularySize);
        for (var start = 0L; start < rows; start += step)
        {
            using var slice = NewDisposeScope();
            var length = Math.Min(step, rows - start);
            Tensor Logprobs(LanguageModel model, Tensor hidden) =>
                nn.functional.log_softmax(model.Head(hidden.narrow(0, start, length)).to(ScalarType.Float32), 1);
            var logprobs = Logprobs(policy, ours);
            var (probabilities, ratios) = (logprobs.exp(), logprobs - Logprobs(reference, theirs));
            // One comparison serves both masks: l <= limit, or -l <= -limit.
            var sign = signs.narrow(0, start, length).unsqueeze(1);
            var kept = ratios * sign <= Limit(probabilities, ratios, sign);
            var own = kept.gather(1, tokens.narrow(0, start, length).unsqueeze(1));
            var mass = (probabilities * kept).sum(1, keepdim: true).log();
            logs.Add(mass.Filled(own.logical_not(), double.PositiveInfinity).squeeze(1).MoveToOuterDisposeScope());
        }
        return cat(logs).MoveToOuterDisposeScope();
    }

    private Tensor Limit(Tensor probabilities, Tensor ratios, Tensor sign)
    {
        var kl = (probabilities * ratios).sum(1, keepdim: true);
        return mask.Rule switch
        {
            KlMaskRule.KlCentred => (kl * sign).Plus(mask.Tolerance),
            KlMaskRule.Scaled => (probabilities * (ratios - kl).Squared()).sum(1, keepdim: true).sqrt().Times(mask.Tolerance),
            _ => kl.Full(mask.Tolerance),
        };
    }
}
