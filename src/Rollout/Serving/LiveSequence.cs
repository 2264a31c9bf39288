namespace DfPO.Rollout.Serving;

/// <summary>A sequence that joins a <see cref="ContinuousBatch"/>; told apart by reference.</summary>
/// <param name="promptTokens">Token ids, at least one.</param>
/// <param name="seed">Seed of its random numbers.</param>
/// <param name="options">How it is drawn; one continuation, sampled.</param>
/// <param name="topLogprobs">Likeliest tokens that are told beside each drawn one, at least 0.</param>
public sealed class LiveSequence(int[] promptTokens, ulong seed, GenerationOptions options, int topLogprobs = 0)
{
    /// <summary>Token ids, at least one.</summary>
    public int[] PromptTokens { get; } = promptTokens;

    /// <summary>Seed of its random numbers.</summary>
    public ulong Seed { get; } = seed;

    /// <summary>How it is drawn.</summary>
    public GenerationOptions Options { get; } = options;

    /// <summary>Likeliest tokens that are told beside each drawn one.</summary>
    public int TopLogprobs { get; } = topLogprobs;
}

/// <summary>A token that a sequence has got.</summary>
/// <param name="Sequence">Whose.</param>
/// <param name="Token">The token.</param>
/// <param name="Logprob">Its log-probability under the policy itself, before masks and filters, nats.</param>
/// <param name="Top">The likeliest tokens under the policy itself and their log-probabilities, best first.</param>
/// <param name="Ended">Whether it ends the text.</param>
/// <param name="IsLast">Whether it is the sequence's last: it ends the text, or no more were asked for.</param>
public sealed record LiveToken(
    LiveSequence Sequence,
    int Token,
    float Logprob,
    IReadOnlyList<(int Token, float Logprob)> Top,
    bool Ended,
    bool IsLast
);
