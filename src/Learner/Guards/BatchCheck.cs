using DfPO.Learner.Objectives;
using DfPO.Models;

namespace DfPO.Learner.Guards;

/// <summary>Whether an iteration's trajectories can be learnt from at all.</summary>
internal static class BatchCheck
{
    /// <exception cref="DfpoException"><c>learner/batch</c>.</exception>
    public static void RequireLearnable(IReadOnlyList<Trajectory> batch, int minibatchSize, int maxPositions, IObjective objective)
    {
        if (batch.Count == 0 || batch.Count % minibatchSize != 0)
            throw Wrong($"{batch.Count} sequences cannot be divided into minibatches of {minibatchSize}: set 'minibatch-size' to a divisor of the sequences of an iteration");
        for (var i = 0; i < batch.Count; i++)
        {
            var (trajectory, length) = (batch[i], batch[i].Tokens.Length);
            if (trajectory.PromptTokens.Length == 0)
                throw Wrong($"sequence {i} has an empty prompt: the first state needs a token");
            if (length == 0)
                throw Wrong($"sequence {i} has an empty continuation");
            if (trajectory.PromptTokens.Length + length > maxPositions)
                throw Wrong($"sequence {i} has {trajectory.PromptTokens.Length + length} tokens but the models have {maxPositions} positions");
            foreach (var (name, array) in new[] { ("logprobs", trajectory.Logprobs), ("reference logprobs", trajectory.ReferenceLogprobs), ("state KL", trajectory.StateKl) })
                if (array.Length != length)
                    throw Wrong($"sequence {i} has {length} tokens but {array.Length} entries of {name}");
            if (!objective.Accepts(trajectory.Behaviour))
                throw Wrong($"sequence {i} was drawn from '{trajectory.Behaviour}', which the objective does not learn from: match the rollouts with the objective and 'dfpo.behaviour'");
        }
    }

    private static DfpoException Wrong(string what) => new("learner/batch", $"The learner's batch: {what}.");
}
