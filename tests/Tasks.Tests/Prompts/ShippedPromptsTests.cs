using DfPO.Tasks.Metrics;
using DfPO.Tasks.Prompts;

namespace DfPO.Tasks.Tests.Prompts;

public sealed class ShippedPromptsTests
{
    private static readonly string[] s_splits = ["train", "validation", "test"];

    public static TheoryData<string> Tasks => ["imdb-tiny", "detox-tiny", "commongen-tiny"];

    [Theory]
    [MemberData(nameof(Tasks))]
    public void SplitsParseAndFillABatch(string task) => Assert.All(s_splits, split =>
        {
            var prompts = Read(task, split);
            Assert.True(prompts.Count >= 16, $"{prompts.Count} prompts do not fill a batch");
            Assert.All(prompts, prompt => Assert.Equal(prompt.Text.Trim(), prompt.Text));
        });

    [Theory]
    [MemberData(nameof(Tasks))]
    public void PromptsAreDistinctWithinAndBetweenSplits(string task)
    {
        Prompt[] prompts = [.. s_splits.SelectMany(split => Read(task, split))];
        Assert.Distinct(prompts.Select(Normal));
        Assert.Distinct(prompts.Select(prompt => prompt.Id));
    }

    [Fact]
    public void CommonGensPromptsListTheirConceptsAndTheirReferencesUseThem()
    {
        Prompt[] prompts = [.. s_splits.SelectMany(split => Read("commongen-tiny", split))];
        var coverage = new ConceptCoverage();
        Assert.All(prompts, prompt =>
        {
            Assert.Equal($"generate a sentence with: {string.Join(' ', prompt.Concepts)}.", prompt.Text);
            Assert.NotEmpty(prompt.References);
            Assert.All(prompt.References, reference =>
                Assert.True(
                    coverage.Score(reference, prompt.Concepts) == 1,
                    $"'{reference}' does not use all of {string.Join(' ', prompt.Concepts)}"
                )
            );
        });
        Assert.Distinct(prompts.Select(prompt => string.Join(' ', prompt.Concepts.Order(StringComparer.Ordinal))));
    }

    [Fact]
    public void ImdbsReferencesContinueTheirPrompts()
    {
        Prompt[] prompts = [.. s_splits.SelectMany(split => Read("imdb-tiny", split))];
        Assert.All(prompts, prompt => Assert.StartsWith(prompt.Text + " ", Assert.Single(prompt.References), StringComparison.Ordinal));
        Assert.Distinct(prompts.Select(prompt => prompt.References[0][prompt.Text.Length..]));
    }

    private static IReadOnlyList<Prompt> Read(string task, string split) =>
        PromptSet.Read(Repository.Path($"models/{task}/prompts/{split}.jsonl")).Prompts;

    /// <summary>Two prompts that differ in case, punctuation or spacing only are the same.</summary>
    private static string Normal(Prompt prompt) => string.Concat(prompt.Text.Where(char.IsLetterOrDigit)).ToLowerInvariant();
}
