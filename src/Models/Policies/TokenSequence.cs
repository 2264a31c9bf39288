namespace DfPO.Models.Policies;

/// <summary>
/// A prompt and its continuation as token ids, and what the policy that rolled out and the reference say of the continuation's tokens: what
/// an engine makes and a learner takes. Arrays of floats are as long as <see cref="Tokens"/>, unless they are empty.
/// </summary>
public record TokenSequence
{
    /// <summary>The prompt's token ids, without padding; at least one.</summary>
    public required int[] PromptTokens { get; init; }

    /// <summary>The continuation's token ids (the actions), the end-of-text token included when it was drawn.</summary>
    public required int[] Tokens { get; init; }

    /// <summary><c>log pi_theta(a|s)</c> of the full, unmasked, temperature-1 softmax of the policy that rolled out, nats.</summary>
    public required float[] Logprobs { get; init; }

    /// <summary><c>log pi_0(a|s)</c> of the reference model, nats; empty where an engine has none.</summary>
    public required float[] ReferenceLogprobs { get; init; }

    /// <summary>
    /// <c>KL(pi_theta || pi_0)</c> over the vocabulary at each state, nats, of the policy itself and not of what was drawn from; empty
    /// without a reference model.
    /// </summary>
    public required float[] StateKl { get; init; }

    /// <summary>
    /// Probability <c>Z</c>, in (0, 1], that a mask left of the policy at each state, of NLPO's mask in the full softmax; 1 where no mask
    /// applied or it was skipped; empty where it is not known.
    /// </summary>
    public float[] RetainedMass { get; init; } = [];

    /// <summary>Steps at which the mask was skipped because it would have left too little, from 0, in order.</summary>
    public int[] SkippedMaskSteps { get; init; } = [];
}
