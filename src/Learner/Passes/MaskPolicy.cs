using DfPO.Learner.Objectives;
using DfPO.Models;
using DfPO.Models.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Passes;

/// <summary>NLPO's mask policy: which tokens of the vocabulary are likely enough at a state.</summary>
/// <param name="model">Its weights; the caller's.</param>
/// <param name="traits">How likely is enough.</param>
/// <param name="endOfText">Tokens that are always likely enough.</param>
internal sealed class MaskPolicy(LanguageModel model, MaskPolicyTraits traits, EndOfText endOfText)
{
    private const long SliceElements = 1 << 21;

    public LanguageModel Model => model;

    /// <summary>
    /// The allowed tokens at a batch's states, bool <c>[tokens, vocabulary]</c>; it belongs to the caller's dispose scope.
    /// </summary>
    public Tensor Keep(TeacherForcedBatch batch)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        return Keep(model.Head(batch.SelectStates(model.Hidden(batch.Input)))).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// The allowed tokens for logits <c>[tokens, vocabulary]</c>: the top-p ones, the least number, and those that end a text.
    /// </summary>
    public Tensor Keep(Tensor logits)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var keep = empty(logits.shape, ScalarType.Bool, logits.device);
        long rows = logits.size(0),
            step = Math.Max(1, SliceElements / logits.size(1));
        for (var start = 0L; start < rows; start += step)
        {
            using var slice = NewDisposeScope();
            var length = Math.Min(step, rows - start);
            var (sorted, order) = nn
                .functional.softmax(logits.narrow(0, start, length).to(ScalarType.Float32), 1)
                .sort(1, descending: true, stable: true);
            // What came before a token decides, so that the one which crosses p stays in.
            var kept = (sorted.cumsum(1) - sorted).Under(traits.TopP);
            kept.narrow(1, 0, traits.TopP < 1 ? Math.Min(traits.MinTokensToKeep, kept.size(1)) : kept.size(1)).Fill(1);
            keep.narrow(0, start, length).scatter_(1, order, kept);
        }
        foreach (var end in endOfText.Ids.Where(end => end < keep.size(1)))
            keep.select(1, end).Fill(1);
        return keep.MoveToOuterDisposeScope();
    }

    /// <summary>Takes over another model's weights.</summary>
    public void CopyFrom(LanguageModel policy)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        foreach (var (mine, theirs) in model.parameters().Zip(policy.parameters()))
            mine.copy_(theirs);
        policy.Adapters?.AddTo(model);
    }
}
