using DfPO.Models.Policies;

namespace DfPO.Tasks.Metrics;

/// <summary>A continuation of an evaluation, and what is known about it.</summary>
/// <param name="PromptId">The prompt's id; samples of one prompt are one cluster.</param>
/// <param name="Prompt">The prompt.</param>
/// <param name="Continuation">The continuation's text alone.</param>
/// <param name="Reward">Task reward.</param>
public sealed record Sample(string PromptId, string Prompt, string Continuation, double Reward)
{
    /// <summary>Its number of tokens.</summary>
    public int Tokens { get; init; }

    /// <summary>Sum of <c>-log pi_0</c> over the tokens that were drawn, nats.</summary>
    public double DrawnCrossEntropy { get; init; }

    /// <summary>Sum over its states of <c>KL(pi_theta || pi_0)</c> of the policy itself, whatever was drawn from, nats.</summary>
    public double PolicyKl { get; init; }

    /// <summary>
    /// Cross-entropy, entropy and KL of what was drawn from, summed over its states; null of a beam search, which draws nothing.
    /// </summary>
    public DecodingFigures? Decoding { get; init; }
}
