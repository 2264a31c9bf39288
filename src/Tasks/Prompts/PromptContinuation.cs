namespace DfPO.Tasks.Prompts;

/// <summary>A prompt and what the policy made of it, as text.</summary>
/// <param name="Prompt">The prompt's text.</param>
/// <param name="Continuation">The continuation's text, to be appended without a separator.</param>
public sealed record PromptContinuation(string Prompt, string Continuation)
{
    /// <summary>Texts that a good continuation resembles; empty where the task has none.</summary>
    public IReadOnlyList<string> References { get; init; } = [];

    /// <summary>Words that the continuation has to use (CommonGen); empty where the task has none.</summary>
    public IReadOnlyList<string> Concepts { get; init; } = [];

    /// <summary>Equal in all texts, those in the lists included.</summary>
    public bool Equals(PromptContinuation? other) =>
        other is not null
        && Prompt == other.Prompt
        && Continuation == other.Continuation
        && References.SequenceEqual(other.References)
        && Concepts.SequenceEqual(other.Concepts);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Prompt, Continuation);
}
