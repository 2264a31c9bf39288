using DfPO.Models;

namespace DfPO.Rollout;

/// <summary>Log-probabilities of given continuations by one teacher-forced pass over a batch, never token by token.</summary>
public static class SequenceScorer
{
    /// <summary>Full-softmax, temperature-1 log-probabilities (nats, computed in float32) of each continuation's tokens given its prompt.</summary>
    /// <param name="model">The model.</param>
    /// <param name="sequences">Prompts (at least one token) and continuations.</param>
    /// <returns>One array a sequence, as long as its continuation.</returns>
    public static IReadOnlyList<float[]> Logprobs(CausalLM model, IReadOnlyList<(int[] Prompt, int[] Continuation)> sequences) =>
        throw new NotImplementedException();
}
