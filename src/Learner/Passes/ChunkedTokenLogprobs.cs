using DfPO.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Passes;

/// <summary>
/// As <see cref="TokenLogprobs"/>, with the head applied to a few tokens at a time and once more on the way back, so that
/// <c>[tokens, vocabulary]</c> never exists in any dtype. What is held is the hidden states, <c>[tokens, hidden]</c>.
/// </summary>
internal sealed class ChunkedTokenLogprobs : ITokenLogprobs
{
    private readonly LanguageModel _model;
    private readonly Tensor _hidden;
    private readonly Tensor _tokens;
    private readonly Tensor? _keep;
    private readonly long _chunk;

    private ChunkedTokenLogprobs(
        LanguageModel model,
        Tensor hidden,
        Tensor tokens,
        Tensor? keep,
        long chunk,
        Tensor values,
        double? entropy,
        ReferenceScores? reference
    ) =>
        (_model, _hidden, _tokens, _keep, _chunk, Values, SummedEntropy, Reference) = (
            model,
            hidden,
            tokens,
            keep,
            chunk,
            values,
            entropy,
            reference
        );

    /// <inheritdoc/>
    public Tensor Values { get; }

    /// <inheritdoc/>
    public double? SummedEntropy { get; }

    /// <inheritdoc/>
    public ReferenceScores? Reference { get; }

    /// <summary>One pass of a model over a batch. The tensors belong to the caller's dispose scope.</summary>
    /// <param name="model">The model.</param>
    /// <param name="batch">The sequences.</param>
    /// <param name="withEntropy">Whether to measure entropies.</param>
    /// <param name="keep">See <see cref="TokenLogprobs.FromLogits"/>.</param>
    /// <param name="chunk">Tokens whose logits are held at a time.</param>
    /// <param name="reference">The reference model; null for none.</param>
    public static ChunkedTokenLogprobs Forward(
        LanguageModel model,
        TeacherForcedBatch batch,
        bool withEntropy,
        Tensor? keep,
        long chunk,
        LanguageModel? reference = null
    )
    {
        using var scope = NewDisposeScope();
        var hidden = batch.SelectStates(model.Hidden(batch.Input));
        using var _ = no_grad();
        var theirHidden = reference is null ? null : batch.SelectStates(reference.Hidden(batch.Input));
        Tensor? values = null;
        ReferenceScores? scores = null;
        var entropy = 0.0;
        foreach (var (start, length) in Chunks(hidden, chunk))
        {
            using var piece = NewDisposeScope();
            var got = Piece(
                model,
                hidden.narrow(0, start, length),
                batch.Actions,
                keep,
                start,
                length,
                withEntropy,
                theirHidden is null ? null : reference!.Head(theirHidden.narrow(0, start, length))
            );
            values ??= empty([hidden.size(0)], got.Values.dtype, hidden.device).MoveToOuterDisposeScope();
            if (scores is null && got.Reference is not null)
                (scores = ReferenceScores.Of(hidden.size(0), got.Values.dtype, hidden.device)).Rows.MoveToOuterDisposeScope();
            if (got.Reference is { } compared)
                scores!.Put(compared, start);
            values.narrow(0, start, length).copy_(got.Values);
            entropy += got.SummedEntropy ?? 0;
        }
        scores?.Rows.MoveToOuterDisposeScope();
        return new ChunkedTokenLogprobs(
            model,
            hidden.MoveToOuterDisposeScope(),
            batch.Actions,
            keep,
            chunk,
            values!.requires_grad_().MoveToOuterDisposeScope(),
            withEntropy ? entropy : null,
            scores
        );
    }

    /// <inheritdoc/>
    public void Backward(Tensor valuesGradient, double entropyGradient = 0)
    {
        using var scope = NewDisposeScope();
        var gradient = empty_like(_hidden);
        foreach (var (start, length) in Chunks(_hidden, _chunk))
        {
            using var piece = NewDisposeScope();
            var hidden = _hidden.detach().narrow(0, start, length).requires_grad_();
            Piece(_model, hidden, _tokens, _keep, start, length, withEntropy: false)
                .Backward(valuesGradient.narrow(0, start, length), entropyGradient);
            using (no_grad())
                gradient.narrow(0, start, length).copy_(hidden.grad!);
        }
        autograd.backward([_hidden], [gradient.detach()]);
    }

    private static TokenLogprobs Piece(
        LanguageModel model,
        Tensor hidden,
        Tensor tokens,
        Tensor? keep,
        long start,
        long length,
        bool withEntropy,
        Tensor? reference = null
    ) =>
        TokenLogprobs.FromLogits(
            model.Head(hidden),
            tokens.narrow(0, start, length),
            withEntropy,
            keep?.narrow(0, start, length),
            reference
        );

    private static IEnumerable<(long Start, long Length)> Chunks(Tensor hidden, long chunk)
    {
        for (long start = 0, rows = hidden.size(0); start < rows; start += chunk)
            yield return (start, Math.Min(chunk, rows - start));
    }
}
