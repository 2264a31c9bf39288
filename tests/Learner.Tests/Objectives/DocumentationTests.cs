using System.Text.RegularExpressions;

namespace DfPO.Learner.Tests.Objectives;

public sealed class DocumentationTests
{
    [Fact]
    public void The_code_in_the_guide_to_a_new_objective_is_the_repositorys()
    {
        var root = Repository.Root;
        var sources = new[] { "Objectives/A2cObjective.cs", "Configuration/ObjectiveRegistry.cs", "Configuration/LearnerOptions.cs" }
            .Select(file => File.ReadAllText(Path.Combine(root, "src", "Learner", file)))
            .ToArray();
        var blocks = Regex.Matches(
            File.ReadAllText(Path.Combine(root, "docs", "add-an-objective.md")),
            "```csharp\n(.*?)```",
            RegexOptions.Singleline
        );
        Assert.Equal(4, blocks.Count);
        Assert.All(blocks, block => Assert.Contains(sources, source => source.Contains(block.Groups[1].Value, StringComparison.Ordinal)));
    }
}
