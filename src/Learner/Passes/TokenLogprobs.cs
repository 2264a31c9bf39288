using DfPO.Models;
using DfPO.Models.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Passes;

/// <summary>
/// Log-probabilities of given tokens under a full softmax, computed in float32 whatever the logits' dtype, and the way back through them.
/// Softmax is formed a few rows at a time in both directions, so that no float32 copy of <c>[tokens, vocabulary]</c> ever exists.
/// </summary>
internal sealed class TokenLogprobs : ITokenLogprobs
{
    /// <summary>Elements of a slice: small enough for a processor's cache.</summary>
    private const long SliceElements = 1 << 21;

    private static readonly Scalar s_impossible = Arithmetic.Kept(double.NegativeInfinity);

    private readonly Tensor _logits;
    private readonly Tensor _tokens;
    private readonly Tensor _normalizers;
    private readonly Tensor? _keep;

    private TokenLogprobs(
        Tensor logits,
        Tensor tokens,
        Tensor? keep,
        Tensor normalizers,
        Tensor values,
        double? entropy,
        ReferenceScores? reference
    ) =>
        (_logits, _tokens, _keep, _normalizers, Values, SummedEntropy, Reference) = (
            logits,
            tokens,
            keep,
            normalizers,
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

    /// <summary>One pass of a model over a batch, its head on the continuations' positions alone.</summary>
    /// <remarks>The tensors belong to the caller's dispose scope.</remarks>
    public static TokenLogprobs Forward(
        LanguageModel model,
        TeacherForcedBatch batch,
        bool withEntropy,
        Tensor? keep = null,
        LanguageModel? reference = null
    )
    {
        using var theirs = reference is null ? null : ReferenceLogits(reference, batch);
        return FromLogits(Logits(model, batch), batch.Actions, withEntropy, keep, theirs);
    }

    /// <summary>From logits <c>[tokens, vocabulary]</c>, which <c>Backward</c> overwrites, and token ids <c>[tokens]</c>.</summary>
    /// <param name="logits">The scores.</param>
    /// <param name="tokens">The ids.</param>
    /// <param name="withEntropy">Whether to measure entropies.</param>
    /// <param name="keep">The tokens that the softmax is over, bool <c>[tokens, vocabulary]</c>, the given ones among them; null for
    /// all.</param>
    /// <param name="reference">Logits of the reference model, which are not kept; null for none.</param>
    public static TokenLogprobs FromLogits(Tensor logits, Tensor tokens, bool withEntropy, Tensor? keep = null, Tensor? reference = null)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var dtype = logits.dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;
        var normalizers = empty([logits.size(0)], dtype, logits.device);
        var values = empty([logits.size(0)], dtype, logits.device);
        var scores = reference is null ? null : ReferenceScores.Of(logits.size(0), dtype, logits.device);
        var entropy = 0.0;
        foreach (var (start, length) in Slices(logits))
        {
            using var slice = NewDisposeScope();
            var rows = Rows(logits, keep, start, length, dtype);
            var normalizer = rows.logsumexp(1, keepdim: true);
            normalizers.narrow(0, start, length).copy_(normalizer.squeeze(1));
            values.narrow(0, start, length).copy_((rows.gather(1, tokens.narrow(0, start, length).unsqueeze(1)) - normalizer).squeeze(1));
            if (withEntropy)
                entropy += (
                    normalizer.sum() - ((rows - normalizer).exp_() * (keep is null ? rows : rows.nan_to_num(neginf: 0))).sum()
                ).ToNumber();
            scores?.Put(rows - normalizer, Rows(reference!, null, start, length, dtype), tokens.narrow(0, start, length), start);
        }
        scores?.Rows.MoveToOuterDisposeScope();
        return new TokenLogprobs(
            logits,
            tokens,
            keep,
            normalizers.MoveToOuterDisposeScope(),
            values.requires_grad_().MoveToOuterDisposeScope(),
            withEntropy ? entropy : null,
            scores
        );
    }

    /// <summary>Carries the gradient of <see cref="Values"/> on into the model. Once only.</summary>
    public void Backward() => Backward(Values.grad!);

    /// <summary>
    /// <c>dL/dlogits = (onehot - softmax) dL/dlogprob - softmax (log softmax + H) dL/dH</c>, and on into the model. Once only.
    /// </summary>
    public void Backward(Tensor valuesGradient, double entropyGradient = 0)
    {
        using var scope = NewDisposeScope();
        var gradient = valuesGradient.unsqueeze(1);
        using (no_grad())
            foreach (var (start, length) in Slices(_logits))
            {
                using var slice = NewDisposeScope();
                var target = _logits.narrow(0, start, length);
                var scale = gradient.narrow(0, start, length);
                var rows = Rows(_logits, _keep, start, length, Values.dtype) - _normalizers.narrow(0, start, length).unsqueeze(1);
                var bonus = entropyGradient == 0 ? null : EntropySlope(rows).Scale(entropyGradient);
                rows.exp_().mul_(scale.neg());
                if (bonus is not null)
                    rows.Increase(bonus);
                rows.scatter_add_(1, _tokens.narrow(0, start, length).unsqueeze(1), scale);
                // The product that made the logits does not need them on its way back, so their memory serves the gradient.
                target.copy_(rows);
            }
        autograd.backward([_logits], [_logits.detach()]);
    }

    private static Tensor ReferenceLogits(LanguageModel reference, TeacherForcedBatch batch)
    {
        using var _ = no_grad();
        return Logits(reference, batch);
    }

    private static Tensor Logits(LanguageModel model, TeacherForcedBatch batch)
    {
        using var scope = NewDisposeScope();
        return model.Head(batch.SelectStates(model.Hidden(batch.Input))).MoveToOuterDisposeScope();
    }

    /// <summary><c>dH/dlogits = -p (log p + H)</c> of rows of log-probabilities; impossible tokens have none.</summary>
    private static Tensor EntropySlope(Tensor rows)
    {
        var (probabilities, finite) = (rows.exp(), rows.nan_to_num(neginf: 0));
        var entropy = (probabilities * finite).sum(1, keepdim: true).neg_();
        return probabilities.mul_(finite.Increase(entropy)).neg_();
    }

    private static Tensor Rows(Tensor logits, Tensor? keep, long start, long length, ScalarType dtype)
    {
        var rows = logits.narrow(0, start, length).to(dtype);
        return keep is null ? rows : rows.masked_fill(keep.narrow(0, start, length).logical_not(), s_impossible);
    }

    private static IEnumerable<(long Start, long Length)> Slices(Tensor logits)
    {
        long rows = logits.size(0),
            step = Math.Max(1, SliceElements / logits.size(1));
        for (var start = 0L; start < rows; start += step)
            yield return (start, Math.Min(step, rows - start));
    }
}
