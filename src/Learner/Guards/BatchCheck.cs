using DfPO.Learner.Objectives;
using DfPO.Models;

namespace DfPO.Learner.Guards;

/// <summary>Whether an iteration's trajectories can be learnt from at all.</summary>
internal static class BatchCheck
{
    /// <exception cref="DfpoException"><c>learner/batch</c>.</exception>
    public static void RequireLearnable(IReadOnlyList<Trajectory> batch, int minibatchSize, int maxPositions, IObjective objective)
    {
        var traits = objective.Traits;
        if (batch.Count == 0 || (!traits.WholeBatch && batch.Count % minibatchSize != 0))
            throw Wrong(
                $"{batch.Count} sequences cannot be divided into minibatches of {minibatchSize}: set 'minibatch-size' to a divisor of the sequences of an iteration"
            );
        for (var i = 0; i < batch.Count; i++)
        {
            var (trajectory, length) = (batch[i], batch[i].Tokens.Length);
            if (trajectory.PromptTokens.Length == 0)
                throw Wrong($"sequence {i} has an empty prompt: the first state needs a token");
            if (length == 0)
                throw Wrong($"sequence {i} has an empty continuation");
            if (trajectory.PromptTokens.Length + length > maxPositions)
                throw Wrong(
                    $"sequence {i} has {trajectory.PromptTokens.Length + length} tokens but the models have {maxPositions} positions"
                );
            foreach (
                var (name, array) in new[]
                {
                    ("logprobs", trajectory.Logprobs),
                    ("reference logprobs", trajectory.ReferenceLogprobs),
                    ("state KL", trajectory.StateKl),
                }
            )
                if (array.Length != length)
                    throw Wrong($"sequence {i} has {length} tokens but {array.Length} entries of {name}");
            if (traits.NeedsDemonstrations && trajectory.Demonstration is not { Length: > 0 })
                throw Wrong($"sequence {i} has no demonstration, which the objective learns from: give each prompt a reference text");
            if (trajectory.PromptTokens.Length + (trajectory.Demonstration?.Length ?? 0) > maxPositions)
                throw Wrong(
                    $"sequence {i} has {trajectory.PromptTokens.Length + trajectory.Demonstration!.Length} tokens with its demonstration but the models have {maxPositions} positions"
                );
            if (trajectory.IsDemonstration && traits.SamplesPerPrompt > 0)
                throw Wrong(
                    $"sequence {i} was given rather than drawn, but the objective learns from rollouts: put the text beside a rollout, as its demonstration"
                );
            if (!objective.Accepts(trajectory.Behaviour))
                throw Wrong(
                    $"sequence {i} was drawn from '{trajectory.Behaviour}', which the objective does not learn from: match the rollouts with the objective and 'dfpo.behaviour'"
                );
        }
        if (traits.SamplesPerPrompt > 1 || traits.SequencesPerBundle > 1)
            RequireGroups(batch);
    }

    /// <summary>A group is compared with itself alone, so it must be one prompt's and have something to compare.</summary>
    private static void RequireGroups(IReadOnlyList<Trajectory> batch)
    {
        foreach (var group in batch.GroupBy(t => t.Group))
        {
            if (group.Count() < 2)
                throw Wrong(
                    $"group {group.Key} has one sequence, but the objective compares several continuations of a prompt: give those of one prompt the same group"
                );
            if (group.Any(t => !t.PromptTokens.AsSpan().SequenceEqual(group.First().PromptTokens)))
                throw Wrong($"group {group.Key} has continuations of different prompts: give each prompt a group of its own");
        }
    }

    private static DfpoException Wrong(string what) => new("learner/batch", $"The learner's batch: {what}.");
}
