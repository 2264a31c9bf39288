using DfPO.Models.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Objectives;

/// <summary>
/// Which tokens of a minibatch belong to which sequence, and which of them count. Tensors belong to the caller's dispose scope.
/// </summary>
internal sealed class SequenceLayout
{
    private readonly Tensor _owner;
    private readonly Tensor? _counted;

    /// <summary>Lays out a minibatch.</summary>
    /// <param name="sequences">Its sequences.</param>
    /// <param name="like">A tensor of the dtype and device to compute in.</param>
    /// <param name="withoutTruncated">Whether tokens of truncated sequences do not count. Such a sequence is still one of the
    /// <see cref="Sequences"/>.</param>
    public SequenceLayout(IReadOnlyList<SequenceSpan> sequences, Tensor like, bool withoutTruncated = false)
    {
        bool Counts(SequenceSpan s) => !withoutTruncated || !s.Truncated;
        Sequences = sequences;
        Lengths = [.. sequences.Select(s => Counts(s) ? s.Length : 0)];
        Tokens = Lengths.Sum();
        _owner = tensor(sequences.SelectMany((s, i) => Enumerable.Repeat((long)i, s.Length)).ToArray(), device: like.device);
        if (!sequences.All(Counts))
            _counted = tensor(sequences.SelectMany(s => Enumerable.Repeat(Counts(s) ? 1.0 : 0.0, s.Length)).ToArray(), device: like.device)
                .to(like.dtype);
        LengthsOrOne = tensor(Lengths.Select(n => (double)Math.Max(1, n)).ToArray(), device: like.device).to(like.dtype);
    }

    /// <summary>The sequences, in order.</summary>
    public IReadOnlyList<SequenceSpan> Sequences { get; }

    /// <summary>Tokens of each sequence that count.</summary>
    public int[] Lengths { get; }

    /// <summary>Tokens that count.</summary>
    public int Tokens { get; }

    /// <summary><see cref="Lengths"/>, at least 1, <c>[sequences]</c>.</summary>
    public Tensor LengthsOrOne { get; }

    /// <summary>Sums over each sequence's tokens, <c>[sequences]</c>, of a value a token.</summary>
    public Tensor Sum(Tensor perToken)
    {
        using var scope = NewDisposeScope();
        return zeros([Sequences.Count], perToken.dtype, perToken.device)
            .index_add(0, _owner, Counted(perToken), Arithmetic.One)
            .MoveToOuterDisposeScope();
    }

    /// <summary>Means over each sequence's tokens, <c>[sequences]</c>; 0 where none counts.</summary>
    public Tensor Mean(Tensor perToken)
    {
        using var scope = NewDisposeScope();
        return (Sum(perToken) / LengthsOrOne).MoveToOuterDisposeScope();
    }

    /// <summary>A value a sequence at each of its tokens, <c>[tokens]</c>.</summary>
    public Tensor Spread(Tensor perSequence) => perSequence.index_select(0, _owner);

    /// <summary>A value a token, 0 where a token does not count.</summary>
    public Tensor Counted(Tensor perToken) => _counted is null ? perToken.alias() : perToken * _counted;

    /// <summary>The entries of the tokens that count.</summary>
    public double[] Kept(double[] perToken) =>
        [.. Sequences.Zip(Lengths).Where(s => s.Second > 0).SelectMany(s => perToken[s.First.Start..(s.First.Start + s.First.Length)])];
}
