using DfPO.Models.Policies;

namespace DfPO.Learner;

/// <summary>One scored continuation, as the learner takes it. Per-token arrays are as long as <see cref="Tokens"/>.</summary>
public sealed record Trajectory
{
    /// <summary>The prompt's token ids.</summary>
    public required int[] PromptTokens { get; init; }

    /// <summary>The continuation's token ids (the actions).</summary>
    public required int[] Tokens { get; init; }

    /// <summary><c>log pi_theta_old(a|s)</c> as the rollout engine saw it: full softmax, nats.</summary>
    public required float[] Logprobs { get; init; }

    /// <summary><c>log pi_0(a|s)</c>.</summary>
    public required float[] ReferenceLogprobs { get; init; }

    /// <summary><c>KL(pi_theta_old || pi_0)</c> at each state.</summary>
    public required float[] StateKl { get; init; }

    /// <summary>Task reward, given at the last token.</summary>
    public required float Reward { get; init; }

    /// <summary>The policy that the tokens were drawn from.</summary>
    public required DecodingPolicy Behaviour { get; init; }

    /// <summary>Updates that the weights which rolled out had seen (<see cref="PolicyLearner.Iteration"/> when they were published); null means the learner's own, never stale.</summary>
    public int? WeightsVersion { get; init; }
}
