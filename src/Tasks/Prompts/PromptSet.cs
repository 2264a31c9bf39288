namespace DfPO.Tasks.Prompts;

/// <summary>A prompt of a task.</summary>
/// <param name="Id">Unique within its split.</param>
/// <param name="Text">The prompt.</param>
public sealed record Prompt(string Id, string Text);

/// <summary>The prompts of one split, from a .jsonl file with fields <c>id</c> and <c>text</c>.</summary>
public sealed class PromptSet(IReadOnlyList<Prompt> prompts)
{
    /// <summary>In the file's order.</summary>
    public IReadOnlyList<Prompt> Prompts { get; } = prompts;

    /// <summary>Reads a file.</summary>
    /// <exception cref="DfPO.Models.DfpoException"><c>prompts/missing</c>, <c>prompts/malformed</c>, <c>prompts/empty</c> or <c>prompts/duplicate</c>, with file and line.</exception>
    public static PromptSet Read(string path) => throw new NotImplementedException();

    /// <summary>The n-th prompt of an endless seeded stream that goes through a fresh permutation each epoch; a pure function, so the cursor is all there is to save.</summary>
    public Prompt Draw(ulong seed, long index) => throw new NotImplementedException();
}
