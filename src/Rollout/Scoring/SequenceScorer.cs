using DfPO.Models;

namespace DfPO.Rollout.Scoring;

/// <summary>Log-probabilities of given continuations by one teacher-forced pass over a batch, never token by token.</summary>
public static class SequenceScorer
{
    /// <summary>
    /// Full-softmax, temperature-1 log-probabilities (nats, computed in float32) of each continuation's tokens given its prompt.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="sequences">Prompts (at least one token) and continuations.</param>
    /// <returns>One array a sequence, as long as its continuation.</returns>
    /// <exception cref="DfpoException"><c>generation/empty-prompt</c>, <c>generation/token-id</c> or <c>model/too-long</c>.</exception>
    public static IReadOnlyList<float[]> Logprobs(LanguageModel model, IReadOnlyList<(int[] Prompt, int[] Continuation)> sequences)
    {
        for (var i = 0; i < sequences.Count; i++)
            SequenceChecks.Require(model, i, sequences[i].Prompt, sequences[i].Continuation, 0);
        return Array.ConvertAll(TeacherForcedPass.Run(model, null, sequences), scores => scores.Logprobs);
    }
}
