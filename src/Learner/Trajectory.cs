using System.Diagnostics.CodeAnalysis;
using DfPO.Models.Policies;

namespace DfPO.Learner;

/// <summary>One scored continuation, as the learner takes it: a rollout's token sequence, and what it was worth.</summary>
public sealed record Trajectory : TokenSequence
{
    /// <summary>A trajectory whose members are set one by one.</summary>
    public Trajectory() { }

    /// <summary>A rollout's sequence with its reward.</summary>
    /// <param name="sequence">What was rolled out; its arrays are shared.</param>
    /// <param name="reward">Task reward.</param>
    /// <param name="behaviour">The policy that the tokens were drawn from.</param>
    [SetsRequiredMembers]
    public Trajectory(TokenSequence sequence, float reward, DecodingPolicy behaviour)
        : base(sequence) => (Reward, Behaviour) = (reward, behaviour);

    /// <summary>Task reward, given at the last token.</summary>
    public required float Reward { get; init; }

    /// <summary>The policy that the tokens were drawn from.</summary>
    public required DecodingPolicy Behaviour { get; init; }

    /// <summary>Continuations of the same prompt carry the same number within a batch. Only rules that compare them look at it.</summary>
    public int Group { get; init; }

    /// <summary>
    /// Updates that the weights which rolled out had seen (<see cref="Updates.PolicyLearner.Iteration"/> when they were published); null
    /// means the learner's own, never stale.
    /// </summary>
    public int? WeightsVersion { get; init; }

    /// <summary>Whether the continuation was cut off at the limit of its length rather than ended.</summary>
    public bool Truncated { get; init; }

    /// <summary>Token ids of a given continuation of the same prompt, for rules with a supervised term; null when there is none.</summary>
    public int[]? Demonstration { get; init; }

    /// <summary>
    /// Whether <see cref="TokenSequence.Tokens"/> were given rather than drawn; reward and rollout log-probabilities then mean nothing.
    /// </summary>
    public bool IsDemonstration { get; init; }

    /// <summary>A given continuation, to be learnt by its likelihood.</summary>
    /// <param name="prompt">The prompt's token ids.</param>
    /// <param name="tokens">The continuation's token ids.</param>
    public static Trajectory Demonstrated(int[] prompt, int[] tokens) =>
        new()
        {
            PromptTokens = prompt,
            Tokens = tokens,
            Logprobs = new float[tokens.Length],
            ReferenceLogprobs = new float[tokens.Length],
            StateKl = new float[tokens.Length],
            Reward = 0,
            Behaviour = DecodingPolicy.Policy,
            Demonstration = tokens,
            IsDemonstration = true,
        };

    /// <summary>The task reward at the last token, 0 at the others.</summary>
    internal double[] TerminalRewards()
    {
        var rewards = new double[Tokens.Length];
        rewards[^1] = Reward;
        return rewards;
    }
}
