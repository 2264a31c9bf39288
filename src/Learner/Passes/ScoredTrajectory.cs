using DfPO.Learner.Objectives;

namespace DfPO.Learner.Passes;

/// <summary>A trajectory with its advantages and value targets, one a token.</summary>
internal sealed record ScoredTrajectory(Trajectory Trajectory, float[] Advantages, float[] Returns)
{
    /// <summary>Lays the tokens of a minibatch end to end.</summary>
    public static TokenBatch Concatenate(IReadOnlyList<ScoredTrajectory> minibatch) => new()
    {
        Logprobs = [.. minibatch.SelectMany(s => s.Trajectory.Logprobs)],
        ReferenceLogprobs = [.. minibatch.SelectMany(s => s.Trajectory.ReferenceLogprobs)],
        StateKl = [.. minibatch.SelectMany(s => s.Trajectory.StateKl)],
        Advantages = [.. minibatch.SelectMany(s => s.Advantages)],
        Returns = [.. minibatch.SelectMany(s => s.Returns)],
        Behaviour = [.. minibatch.SelectMany(s => s.Trajectory.Tokens.Select(_ => s.Trajectory.Behaviour))],
    };
}
