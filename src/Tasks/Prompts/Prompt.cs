namespace DfPO.Tasks.Prompts;

/// <summary>A prompt of a task, with what its reward and metrics need to know besides the text.</summary>
/// <param name="Id">Unique within its split.</param>
/// <param name="Text">The prompt.</param>
public sealed record Prompt(string Id, string Text)
{
    /// <summary>
    /// A conversation in the place of a text: a JSON array of messages with role and content, of which the last is not the assistant's.
    /// <see cref="Text"/> is what the policy's chat template makes of it (<see cref="ChatPrompts"/>), and this array before that. Null for
    /// a plain text.
    /// </summary>
    public string? Messages { get; init; }

    /// <summary>Texts that a good continuation resembles; empty where the task has none.</summary>
    public IReadOnlyList<string> References { get; init; } = [];

    /// <summary>Words that a continuation has to use (CommonGen); empty where the task has none.</summary>
    public IReadOnlyList<string> Concepts { get; init; } = [];

    /// <summary>Equal in all texts, those in the lists included.</summary>
    public bool Equals(Prompt? other) =>
        other is not null
        && Id == other.Id
        && Text == other.Text
        && Messages == other.Messages
        && References.SequenceEqual(other.References)
        && Concepts.SequenceEqual(other.Concepts);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Id, Text);
}
