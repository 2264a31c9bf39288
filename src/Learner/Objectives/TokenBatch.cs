using DfPO.Models.Policies;

namespace DfPO.Learner.Objectives;

/// <summary>The tokens of a minibatch laid end to end, without padding; all arrays have one entry a token.</summary>
public sealed record TokenBatch
{
    /// <summary><c>log pi_theta_old(a|s)</c>, nats.</summary>
    public required float[] Logprobs { get; init; }

    /// <summary><c>log pi_0(a|s)</c>, nats.</summary>
    public required float[] ReferenceLogprobs { get; init; }

    /// <summary><c>KL(pi_theta_old || pi_0)</c> at the token's state, nats.</summary>
    public required float[] StateKl { get; init; }

    /// <summary>Advantages, uncentred.</summary>
    public required float[] Advantages { get; init; }

    /// <summary>Value targets.</summary>
    public required float[] Returns { get; init; }

    /// <summary>The policy that the token was drawn from.</summary>
    public required DecodingPolicy[] Behaviour { get; init; }

    /// <summary>Tokens.</summary>
    public int Count => Logprobs.Length;
}
