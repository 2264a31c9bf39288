namespace DfPO.Tasks.Prompts;

/// <summary>A prompt of a task, with what its reward and metrics need to know besides the text.</summary>
/// <param name="Id">Unique within its split.</param>
/// <param name="Text">The prompt.</param>
public sealed record Prompt(string Id, string Text)
{
    /// <summary>Texts that a good continuation resembles; empty where the task has none.</summary>
    public IReadOnlyList<string> References { get; init; } = [];

    /// <summary>Words that a continuation has to use (CommonGen); empty where the task has none.</summary>
    public IReadOnlyList<string> Concepts { get; init; } = [];

    /// <summary>Equal in all texts, those in the lists included.</summary>
    public bool Equals(Prompt? other) => other is not null && Id == other.Id && Text == other.Text && References.SequenceEqual(other.References) && Concepts.SequenceEqual(other.Concepts);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Id, Text);
}
