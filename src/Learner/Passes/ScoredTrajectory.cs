using DfPO.Learner.Objectives;

namespace DfPO.Learner.Passes;

/// <summary>A trajectory with what the update needs of its tokens.</summary>
/// <param name="Trajectory">The sequence.</param>
/// <param name="Advantages">One a token.</param>
/// <param name="Returns">Value targets, one a token.</param>
internal sealed record ScoredTrajectory(Trajectory Trajectory, float[] Advantages, float[] Returns)
{
    /// <summary>Denominator of the ratio: the rollout's log-probabilities, or the learner's own at the start of the update.</summary>
    public float[] OldLogprobs { get; init; } = Trajectory.Logprobs;

    /// <summary><c>log pi_0(a|s)</c> on the scale of <see cref="OldLogprobs"/>: their difference is the rollout's log-ratio.</summary>
    public float[] ReferenceLogprobs { get; init; } = Trajectory.ReferenceLogprobs;

    /// <summary>Values before the update; empty without a value model.</summary>
    public float[] Values { get; init; } = [];

    /// <summary>Truncated importance weights; null when nothing is corrected.</summary>
    public float[]? Importance { get; init; }

    /// <summary>Whether the mask policy allows each token; null without one.</summary>
    public bool[]? InsideMask { get; init; }

    /// <summary>What the rule's mask made of each token, which the update's first epoch fills in.</summary>
    public TokenMask[] Masks { get; } = new TokenMask[Trajectory.Tokens.Length];

    /// <summary>A given text: nothing to credit.</summary>
    public static ScoredTrajectory Demonstration(Trajectory trajectory) =>
        new(trajectory, new float[trajectory.Tokens.Length], new float[trajectory.Tokens.Length]);

    /// <summary>Lays the tokens of a minibatch end to end.</summary>
    public static TokenBatch Concatenate(IReadOnlyList<ScoredTrajectory> minibatch) =>
        new()
        {
            Logprobs = Join(minibatch, s => s.OldLogprobs),
            ReferenceLogprobs = Join(minibatch, s => s.ReferenceLogprobs),
            StateKl = Join(minibatch, s => s.Trajectory.StateKl),
            Advantages = Join(minibatch, s => s.Advantages),
            Returns = Join(minibatch, s => s.Returns),
            Behaviour = [.. minibatch.SelectMany(s => s.Trajectory.Tokens.Select(_ => s.Trajectory.Behaviour))],
            Importance = minibatch.Any(s => s.Importance is not null) ? Join(minibatch, s => s.Importance ?? Ones(s)) : null,
            InsideMask = minibatch.Any(s => s.InsideMask is not null)
                ? [.. minibatch.SelectMany(s => s.InsideMask ?? [.. s.Advantages.Select(_ => true)])]
                : null,
            MaskSkipped = minibatch.Any(s => s.Trajectory.SkippedMaskSteps.Length > 0) ? [.. minibatch.SelectMany(Skipped)] : null,
            Sequences = Spans(minibatch),
        };

    private static IEnumerable<bool> Skipped(ScoredTrajectory scored) =>
        scored.Advantages.Select((_, step) => scored.Trajectory.SkippedMaskSteps.Contains(step));

    private static double[] Join(IReadOnlyList<ScoredTrajectory> minibatch, Func<ScoredTrajectory, float[]> of) =>
        [.. minibatch.SelectMany(of).Select(x => (double)x)];

    private static float[] Ones(ScoredTrajectory scored) => [.. scored.Advantages.Select(_ => 1f)];

    private static SequenceSpan[] Spans(IReadOnlyList<ScoredTrajectory> minibatch)
    {
        var start = 0;
        return
        [
            .. minibatch.Select(s =>
            {
                var span = new SequenceSpan(start, s.Trajectory.Tokens.Length, s.Trajectory.IsDemonstration, s.Trajectory.Truncated);
                start += span.Length;
                return span;
            }),
        ];
    }
}
