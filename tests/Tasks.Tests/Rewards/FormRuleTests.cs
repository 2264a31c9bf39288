using DfPO.Tasks.Prompts;
using DfPO.Tasks.Rewards;

namespace DfPO.Tasks.Tests.Rewards;

public sealed class FormRuleTests
{
    private static readonly RewardSpec s_spec = new()
    {
        Kind = RewardKind.Form,
        Form = new()
        {
            LeastWords = 4,
            MostWords = 8,
            Forbidden = ["certainly", "As an AI", "it's important"],
        },
    };

    [Theory]
    [InlineData("Pour hot water over the leaves.", 1)]
    [InlineData("He said: \u201cPour hot water now!\u201d", 1)]
    [InlineData("Pour hot water over the", 0.75)]
    [InlineData("Pour water.", 0.875)]
    [InlineData("one two three four five six seven eight nine ten eleven twelve.", 0.875)]
    [InlineData("Do this:\n- pour hot water.", 0.75)]
    [InlineData("Do this:\n 1. pour hot water.", 0.75)]
    [InlineData("It took 2. We drank it.", 1)]
    [InlineData("Certainly, pour hot water over leaves.", 0.875)]
    [InlineData("As an AI, it\u2019s important to drink.", 0.8125)]
    [InlineData("It is uncertainly hot in here.", 1)]
    [InlineData("  \n", 0)]
    [InlineData("...", 0)]
    public void The_score_is_the_mean_of_what_is_kept(string continuation, double score)
    {
        using var reward = RewardFactory.Create(s_spec);
        Assert.Equal(score, reward.Score([new PromptContinuation("How do I brew tea? - certainly", continuation)])[0], 1e-6);
    }

    [Fact]
    public void What_is_not_asked_for_does_not_count_and_contradictions_are_named()
    {
        var loose = new FormRule(new() { WholeSentence = false, RunningText = false });
        Assert.Equal(1, loose.Score(new PromptContinuation("", "- a list")));
        Assert.Equal(
            "reward/spec",
            CodeOf(() => _ = new FormRule(new() { LeastWords = 9, MostWords = 8 }), "most-words is 8", "least-words is 9")
        );
        Assert.Equal("reward/spec", CodeOf(() => _ = new FormRule(new() { Forbidden = ["fine", " - "] }), "' - '"));
    }
}
