using DfPO.Models.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Objectives;

/// <summary>How the tokens' losses make one number.</summary>
public enum LossAggregation
{
    /// <summary>Mean over sequences of the mean over a sequence's tokens: a token of a long sequence counts less (GRPO's paper).</summary>
    SequenceMean,

    /// <summary>Mean over all tokens (DAPO).</summary>
    TokenMean,

    /// <summary>Mean over sequences of the sum over a sequence's tokens (Dr. GRPO, up to a constant).</summary>
    SequenceSum,
}

/// <summary>Sums and means over the sequences of a minibatch.</summary>
internal static class SequenceReductions
{
    /// <summary>One number, a scalar, from a value a token <c>[tokens]</c>.</summary>
    public static Tensor Aggregate(this LossAggregation how, Tensor perToken, IReadOnlyList<SequenceSpan> sequences)
    {
        using var scope = NewDisposeScope();
        if (how == LossAggregation.TokenMean)
            return perToken.mean().MoveToOuterDisposeScope();
        double[] weights = [.. sequences.SelectMany(s => Enumerable.Repeat(1.0 / sequences.Count / (how == LossAggregation.SequenceMean ? s.Length : 1), s.Length))];
        return (perToken * tensor(weights, device: perToken.device).to(perToken.dtype)).sum().MoveToOuterDisposeScope();
    }

    /// <summary>The sum over each sequence's tokens, <c>[sequences]</c>, from a value a token.</summary>
    public static Tensor SumBySequence(this Tensor perToken, IReadOnlyList<SequenceSpan> sequences)
    {
        using var scope = NewDisposeScope();
        long[] owner = [.. sequences.SelectMany((s, i) => Enumerable.Repeat((long)i, s.Length))];
        return zeros([sequences.Count], perToken.dtype, perToken.device).index_add(0, tensor(owner, device: perToken.device), perToken, Arithmetic.One).MoveToOuterDisposeScope();
    }
}
