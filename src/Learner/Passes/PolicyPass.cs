using DfPO.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Passes;

/// <summary>Teacher-forced passes of the policy, a piece of the sequences at a time.</summary>
/// <param name="model">The policy.</param>
/// <param name="pieceSize">Sequences a pass.</param>
/// <param name="headChunk">Tokens whose logits are held at a time; 0 for those of a piece.</param>
/// <param name="mask">Restricts the softmax to the tokens that a mask policy allows; null for none.</param>
/// <param name="reference">Scores the vocabulary beside the policy where a loss is taken; null for none.</param>
internal sealed class PolicyPass(LanguageModel model, int pieceSize, int headChunk, MaskPolicy? mask, LanguageModel? reference = null)
{
    public LanguageModel Model => model;

    /// <summary>Most sequences a pass.</summary>
    public int PieceSize => pieceSize;

    public Device Device { get; } = model.parameters().First().device;

    /// <summary>The sequences in the pieces that a pass takes.</summary>
    public IReadOnlyList<Trajectory[]> Pieces(IEnumerable<Trajectory> sequences) => [.. sequences.Chunk(pieceSize)];

    /// <summary>
    /// Current log-probabilities of the sequences' tokens, without a gradient: an array a sequence, and whether the mask allows each token.
    /// </summary>
    /// <param name="sequences">The sequences.</param>
    /// <param name="size">Most sequences a pass.</param>
    /// <param name="cancellation">Ends between two passes.</param>
    public (float[][] Logprobs, bool[][]? Inside) Estimate(IReadOnlyList<Trajectory> sequences, int size, CancellationToken cancellation)
    {
        using var _ = no_grad();
        var logprobs = new List<float[]>();
        var inside = new List<bool[]>();
        foreach (var piece in sequences.Chunk(Math.Min(size, pieceSize)))
        {
            cancellation.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            var batch = TrajectoryBatch.Create(model, piece, Device);
            var keep = mask?.Keep(batch);
            var allowed = keep?.gather(1, batch.Actions.unsqueeze(1)).cpu().data<bool>().ToArray();
            var values = Forward(batch, withEntropy: false, keep).Values.to(ScalarType.Float32).cpu().data<float>().ToArray();
            var start = 0;
            foreach (var sequence in piece)
            {
                var end = start + sequence.Tokens.Length;
                logprobs.Add(values[start..end]);
                if (allowed is not null)
                    inside.Add(allowed[start..end]);
                start = end;
            }
        }
        return ([.. logprobs], mask is null ? null : [.. inside]);
    }

    /// <summary>Adds the gradient of a loss of the sequences' log-probabilities to the parameters.</summary>
    /// <remarks>
    /// In one piece there is one pass. In several, a first round of passes without a graph gives the log-probabilities that the loss,
    /// whatever it makes of them together, is taken of; a second round carries each piece's share of the loss's gradient on, so that one
    /// piece's graph is held at a time. The gradient is that of one pass, up to rounding.
    /// </remarks>
    /// <param name="sequences">The sequences.</param>
    /// <param name="loss">From log-probabilities <c>[tokens]</c>, and what the reference says if there is one, to a scalar.</param>
    /// <param name="withEntropy">Whether to measure the policy's entropy.</param>
    /// <param name="entropyBonus">Weight of the mean entropy, which the loss is lowered by.</param>
    /// <returns>Sum of the entropies at the tokens' states, nats, if asked for.</returns>
    public double? Backward(
        IReadOnlyList<Trajectory> sequences,
        Func<Tensor, ReferenceScores?, Tensor> loss,
        bool withEntropy,
        double entropyBonus = 0
    )
    {
        using var scope = NewDisposeScope();
        var pieces = Pieces(sequences);
        var perEntropy = -entropyBonus / sequences.Sum(s => s.Tokens.Length);
        if (pieces.Count == 1)
        {
            var whole = Forward(pieces[0], withEntropy);
            loss(whole.Values, whole.Reference).backward();
            whole.Backward(whole.Values.grad!, perEntropy);
            return whole.SummedEntropy;
        }
        var scored = pieces.Select(Scored).ToArray();
        var values = cat([.. scored.Select(s => s.Values)]).requires_grad_();
        loss(values, scored[0].Reference is null ? null : ReferenceScores.Join(scored.Select(s => s.Reference!))).backward();
        var entropy = 0.0;
        var start = 0L;
        foreach (var piece in pieces)
        {
            using var inner = NewDisposeScope();
            var part = Forward(piece, withEntropy, compared: false);
            part.Backward(values.grad!.narrow(0, start, part.Values.size(0)), perEntropy);
            entropy += part.SummedEntropy ?? 0;
            start += part.Values.size(0);
        }
        return withEntropy ? entropy : null;
    }

    private (Tensor Values, ReferenceScores? Reference) Scored(Trajectory[] piece)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var pass = Forward(piece, withEntropy: false);
        pass.Reference?.Rows.MoveToOuterDisposeScope();
        return (pass.Values.detach().MoveToOuterDisposeScope(), pass.Reference);
    }

    private ITokenLogprobs Forward(Trajectory[] piece, bool withEntropy, bool compared = true)
    {
        var batch = TrajectoryBatch.Create(model, piece, Device);
        return Forward(batch, withEntropy, mask?.Keep(batch), compared ? reference : null);
    }

    private ITokenLogprobs Forward(TeacherForcedBatch batch, bool withEntropy, Tensor? keep, LanguageModel? beside = null)
    {
        // A token that the mask forbids gets no push; allowing it keeps its log-probability finite.
        keep?.scatter_(1, batch.Actions.unsqueeze(1), ones([batch.Actions.size(0), 1], ScalarType.Bool, Device));
        return headChunk > 0
            ? ChunkedTokenLogprobs.Forward(model, batch, withEntropy, keep, headChunk, beside)
            : TokenLogprobs.Forward(model, batch, withEntropy, keep, beside);
    }
}
