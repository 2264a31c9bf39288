using DfPO.Models.Policies;

namespace DfPO.Learner.Objectives;

/// <summary>
/// The tokens of a minibatch laid end to end, without padding; all arrays have one entry a token. A loss works in the dtype of the
/// log-probabilities that it is given.
/// </summary>
public sealed record TokenBatch
{
    /// <summary><c>log pi_theta_old(a|s)</c>, nats: the learner's own when the update began.</summary>
    public required double[] Logprobs { get; init; }

    /// <summary>
    /// <c>log pi_0(a|s)</c>, nats, such that <see cref="Logprobs"/> minus it is the log-ratio that the rollout's engine found: 0 where the
    /// policies are the same.
    /// </summary>
    public required double[] ReferenceLogprobs { get; init; }

    /// <summary><c>KL(pi_theta_old || pi_0)</c> at the token's state, nats.</summary>
    public required double[] StateKl { get; init; }

    /// <summary>Advantages, uncentred.</summary>
    public required double[] Advantages { get; init; }

    /// <summary>Value targets.</summary>
    public required double[] Returns { get; init; }

    /// <summary>The policy that the token was drawn from.</summary>
    public required DecodingPolicy[] Behaviour { get; init; }

    /// <summary>Truncated importance weights of the rollout's tokens; null when nothing is corrected.</summary>
    public double[]? Importance { get; init; }

    /// <summary>Whether the mask policy allows the token; null for rules without one.</summary>
    public bool[]? InsideMask { get; init; }

    /// <summary>
    /// Whether the token was drawn without the mask of its behaviour, which would have left too little; null where none was.
    /// </summary>
    public bool[]? MaskSkipped { get; init; }

    /// <summary>
    /// <c>KL(pi_theta || pi_0)</c> at the token's state under the weights being updated, nats; null unless the learner holds the reference.
    /// </summary>
    public double[]? CurrentKl { get; init; }

    /// <summary>
    /// Standard deviation of <c>log pi_theta - log pi_0</c> over the policy at the token's state, as <see cref="CurrentKl"/>.
    /// </summary>
    public double[]? CurrentDeviation { get; init; }

    /// <summary>
    /// <c>log pi_theta(y'|x) - log pi_0(y'|x)</c> of whole continuations y' of other prompts than x, nats under the weights being updated,
    /// one a sequence; null unless the rule asks for them.
    /// </summary>
    public double[]? MismatchedLogRatios { get; init; }

    /// <summary>Where the sequences lie, in order.</summary>
    public IReadOnlyList<SequenceSpan> Sequences { get; init; } = [];

    /// <summary>Tokens that an optimiser step of this iteration has on average; null takes the minibatch's own.</summary>
    public StepTokens? StepTokens { get; init; }

    /// <summary>Tokens.</summary>
    public int Count => Logprobs.Length;

    /// <summary>Indices of the tokens that were given, or of those that were drawn.</summary>
    internal int[] Indices(bool demonstrated) =>
        [.. Sequences.Where(s => s.Demonstrated == demonstrated).SelectMany(s => Enumerable.Range(s.Start, s.Length))];

    /// <summary>Some of the tokens; where sequences begin is not kept.</summary>
    internal TokenBatch Select(int[] tokens)
    {
        T[] Of<T>(T[] all) => [.. tokens.Select(t => all[t])];
        return new TokenBatch
        {
            Logprobs = Of(Logprobs),
            ReferenceLogprobs = Of(ReferenceLogprobs),
            StateKl = Of(StateKl),
            Advantages = Of(Advantages),
            Returns = Of(Returns),
            Behaviour = Of(Behaviour),
            Importance = Importance is null ? null : Of(Importance),
            InsideMask = InsideMask is null ? null : Of(InsideMask),
            MaskSkipped = MaskSkipped is null ? null : Of(MaskSkipped),
            CurrentKl = CurrentKl is null ? null : Of(CurrentKl),
            CurrentDeviation = CurrentDeviation is null ? null : Of(CurrentDeviation),
        };
    }

    /// <summary>Weights <paramref name="of"/> tokens times their importance.</summary>
    internal double[] Weighted(double[] of) => Importance is { } importance ? [.. of.Zip(importance, (a, b) => a * b)] : of;
}

/// <summary>Tokens of an iteration, divided by its optimiser steps a pass.</summary>
/// <param name="All">All of them.</param>
/// <param name="Ended">Those of sequences that were not truncated.</param>
public readonly record struct StepTokens(double All, double Ended);

/// <summary>One sequence of a <see cref="TokenBatch"/>.</summary>
/// <param name="Start">Index of its first token.</param>
/// <param name="Length">Its tokens.</param>
/// <param name="Demonstrated">Whether its tokens were given rather than drawn.</param>
/// <param name="Truncated">Whether it was cut off at a limit rather than ended.</param>
public readonly record struct SequenceSpan(int Start, int Length, bool Demonstrated, bool Truncated = false);
