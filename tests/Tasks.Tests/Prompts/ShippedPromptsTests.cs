using DfPO.Tasks.Prompts;

namespace DfPO.Tasks.Tests.Prompts;

public sealed class ShippedPromptsTests
{
    private static readonly string[] s_splits = ["train", "validation", "test"];

    public static TheoryData<string> Splits => [.. s_splits];

    [Theory]
    [MemberData(nameof(Splits))]
    public void ASplitParsesAndItsPromptsAreDistinct(string split)
    {
        var prompts = Read(split);

        Assert.True(prompts.Count >= 16, $"{prompts.Count} prompts do not fill a batch");
        Assert.Distinct(prompts.Select(Normal));
        Assert.All(prompts, prompt => Assert.Equal(prompt.Text.Trim(), prompt.Text));
    }

    [Fact]
    public void SplitsShareNoPrompt() => Assert.Distinct(s_splits.SelectMany(Read).Select(Normal));

    [Fact]
    public void SplitsShareNoId() => Assert.Distinct(s_splits.SelectMany(Read).Select(prompt => prompt.Id));

    private static IReadOnlyList<Prompt> Read(string split) => PromptSet.Read(Path.Combine(Repository.Root, "models", "imdb-tiny", "prompts", split + ".jsonl")).Prompts;

    /// <summary>Two prompts that differ in case, punctuation or spacing only are the same.</summary>
    private static string Normal(Prompt prompt) => string.Concat(prompt.Text.Where(char.IsLetterOrDigit)).ToLowerInvariant();
}
